"""Ask a running `mien serve` about texts, pictures and clips. Needs nothing but Python.

    python examples/ask_server.py "i feel so loved today" party.jpg talk.mp4
    python examples/ask_server.py --server https://mien.example.org --key SECRET --labels ekman7 "what a waste of money"
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PICTURES, CLIPS = (".jpg", ".jpeg", ".png", ".webp"), (".mp4", ".mov", ".webm", ".avi")


def ask(server: str, kind: str, inputs: list[str], key: str | None = None, **options: str) -> list[dict[str, Any]]:
    """Results of inputs of one kind, in their order; waits where the server has too much to do."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    body = json.dumps({"inputs": inputs, **options}).encode()
    for _ in range(10):
        request = urllib.request.Request(f"{server}/v1/{kind}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                results: list[dict[str, Any]] = json.load(answer)["results"]
                return results
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise SystemExit(f"{kind}: {json.load(error)['detail']}") from None
            time.sleep(float(error.headers.get("Retry-After", "1")))
    raise SystemExit("the server has too much to do")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", help="texts, and names of pictures and clips")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--key")
    parser.add_argument("--labels", help="another label space, such as ekman7")
    options = parser.parse_args()
    sorts: dict[str, list[str]] = {}
    for item in options.inputs:
        path = Path(item)
        kind = "face" if item.lower().endswith(PICTURES) else "video" if item.lower().endswith(CLIPS) else "text"
        packed = item if kind == "text" else base64.b64encode(path.read_bytes()).decode()
        sorts.setdefault(kind, []).append(packed)
    chosen = {"labels": options.labels} if options.labels else {}
    for kind, inputs in sorts.items():
        for result in ask(options.server, kind, inputs, options.key, **chosen):
            if result["error"]:
                print(f"{result['input']}: {result['error']}", file=sys.stderr)
            else:
                print(f"{result['emoji'] or '–'} {result['label'] or 'no face'}  {result['input']}")


if __name__ == "__main__":
    main()
