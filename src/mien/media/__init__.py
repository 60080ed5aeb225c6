"""Images and clips from files, bytes or arrays: Pillow and PyAV behind one form of pixels."""
