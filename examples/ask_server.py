"""Ask a running `mien serve` about texts, pictures and clips. Needs nothing but Python.

python examples/ask_server.py "i feel so loved today" party.jpg talk.mp4
python examples/ask_server.py --server https://mien.example.org --key SECRET --labels ekman7 "what a waste of money"
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PICTURES, CLIPS = (".jpg", ".jpeg", ".png", ".webp"), (".mp4", ".mov", ".webm", ".avi")


def ask(server: str, kind: str, inputs: list[str], key: str | None = None, **options: str) -> list[dict[str, Any]]:
    """Results of texts, or of the files with these names, in their order; waits where the server has too much to do."""
    if kind == "text":
        content, body = "application/json", json.dumps({"inputs": inputs, **options}).encode()
    else:
        content, body = form([Path(name) for name in inputs], options)
    headers = {"Content-Type": content, **({"Authorization": f"Bearer {key}"} if key else {})}
    for _ in range(10):
        request = urllib.request.Request(f"{server.rstrip('/')}/v1/{kind}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                results: list[dict[str, Any]] = json.load(answer)["results"]
                return results
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise SystemExit(f"{kind}: {json.load(error)['detail']}") from None
            time.sleep(float(error.headers.get("Retry-After", "1")))
        except urllib.error.URLError as error:
            raise SystemExit(f"the server at {server} cannot be reached: {error.reason}") from None
    raise SystemExit("the server has too much to do")


def form(files: list[Path], fields: dict[str, str]) -> tuple[str, bytes]:
    """Content-Type and body of a form: files go as they are, which in JSON would take a third more."""
    boundary = secrets.token_hex(16)
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    for path in files:
        name = path.name.replace('"', "%22")
        try:
            parts.append((f'name="file"; filename="{name}"', path.read_bytes()))
        except OSError as error:
            raise SystemExit(f"{path} cannot be read: {error.strerror}") from None
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", help="texts, and names of pictures and clips")
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--key")
    parser.add_argument("--labels", help="another label space, such as ekman7")
    options = parser.parse_args()
    sorts: dict[str, list[str]] = {}
    for item in options.inputs:
        kind = "face" if item.lower().endswith(PICTURES) else "video" if item.lower().endswith(CLIPS) else "text"
        sorts.setdefault(kind, []).append(item)
    chosen = {"labels": options.labels} if options.labels else {}
    for kind, inputs in sorts.items():
        for result in ask(options.server, kind, inputs, options.key, **chosen):
            if result["error"]:
                print(f"{result['input']}: {result['error']}", file=sys.stderr)
            else:
                print(f"{result['emoji'] or '–'} {result['label'] or 'no face'}  {result['input']}")


if __name__ == "__main__":
    main()
