# The server in a slim image: not root, needs no writable disk but /tmp, models inside, reaches no network.
#   docker build -t mien .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -p 127.0.0.1:8000:8000 mien
# It holds PyAV's FFmpeg with x264 and x265, which are GPL: docs/install.md says what that means if you pass the image on.
# With an index of packages of one's own:  docker build --build-arg PIP_INDEX_URL=https://packages.example.org/simple -t mien .
FROM python:3.11-slim AS build
ARG PIP_INDEX_URL
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ARG PIP_INDEX_URL
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    pip install --no-cache-dir -c /constraints.txt "$(ls /wheels/mien-*.whl)[serve]"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["mien", "serve", "--host", "0.0.0.0"]
