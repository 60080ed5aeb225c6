"""Which photographs of a folder show most of an emotion: the surest face of each, best first, with the Python API.

    python examples/sort_photographs.py holiday/ --label happy --most 10

Pictures without a face, and files that cannot be read, are counted and do not stop the rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mien
from mien.media.images import is_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs, in folders below it too")
    parser.add_argument("--label", default="happy", help="the emotion to look for")
    parser.add_argument("--most", type=int, default=10, help="how many to print")
    parser.add_argument("--model", default="face", help="a shipped face model's name, or a model or run folder")
    options = parser.parse_args()

    model = mien.load(options.model)
    if options.label not in model.space:
        parser.error(f"{model.name} cannot say {options.label!r}; it can: {', '.join(model.space.names)}")
    label = model.space.names[model.space.index(options.label)]
    found: list[tuple[float, int, str]] = []
    without = unread = 0
    for result in model.predict_many(sorted(filter(is_picture, options.folder.rglob("*")))):
        if result.error:
            unread += 1
        elif not result.items:
            without += 1
        else:
            found.append((max(face.scores[label] for face in result.items), len(result.items), result.input))
    for score, faces, name in sorted(found, reverse=True)[: options.most]:
        print(f"{score:6.1%}  {faces:3} {'face ' if faces == 1 else 'faces'}  {name}")
    print(f"{len(found)} pictures with faces, {without} without, {unread} that could not be read")


if __name__ == "__main__":
    main()
