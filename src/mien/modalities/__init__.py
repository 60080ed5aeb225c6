"""The modalities: text, faces, clips, scenes and rows of numbers; see :mod:`mien.modality`."""
