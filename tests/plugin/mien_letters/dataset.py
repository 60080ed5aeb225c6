import json

from mien.datasets.open import Row, dataset


@dataset("diary", labels="ekman7", modality="letters", licence="CC0")
def diary(path):
    for file in sorted(path.glob("*.json")):
        for number, entry in enumerate(json.loads(file.read_text("utf-8")), 1):
            yield Row(entry["text"], [entry["mood"]], f"{file.name}:{number}", columns={"day": file.stem})
