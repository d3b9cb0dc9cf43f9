"""Films play in a browser: Chromium loads, seeks, plays and ends them, and reads their chapters."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from test_formats import CASES, SIZE, TAGS, film

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RATE, COUNT = 25, 60
SOUGHT = (0, 1, 30, 37, 59, 12, 58)
CHAPTERS = """\
WEBVTT

00:00.000 --> 00:01.200
Start

00:01.200 --> 00:02.400
Взлёт: 100 % "burn"
"""
#: Tells what became of each step; a frame's number is read from its pixels.
PAGE = """\
<!doctype html><meta charset="utf-8">
<video id="v" muted preload="auto" src="/FILM"><track kind="chapters" src="/chapters.vtt" default>
</video><canvas id="c"></canvas>
<script>
const v = document.getElementById("v"), told = {};
const on = (target, name) => new Promise((done, failed) => {
  target.addEventListener(name, done, {once: true});
  v.addEventListener("error", () => failed(v.error.message), {once: true});
});
// A frame is drawn a moment after it was sought; where it was there already, none comes.
const presented = () => Promise.race([
  new Promise(done => v.requestVideoFrameCallback(done)),
  new Promise(done => setTimeout(done, 1000)),
]);
const number = () => {
  const c = document.getElementById("c"), at = c.getContext("2d");
  c.width = v.videoWidth; c.height = v.videoHeight; at.drawImage(v, 0, 0);
  let found = 0;
  for (let bit = 0; bit < 8; bit++)
    if (at.getImageData(20 + bit * 32, 64, 1, 1).data[1] > 125) found |= 1 << bit;
  return found;
};
(async () => {
  const track = document.querySelector("track"), read = on(track, "load");
  track.track.mode = "hidden";
  if (v.readyState < 4) await on(v, "canplaythrough");
  told.duration = v.duration;
  told.size = [v.videoWidth, v.videoHeight];
  await read;
  told.chapters = [...track.track.cues].map(c => [c.startTime, c.endTime, c.text]);
  told.seen = [];
  for (const frame of SOUGHT) {
    const sought = on(v, "seeked"), drawn = presented();
    v.currentTime = (frame + 0.5) / 25;
    await sought;
    await drawn;
    told.seen.push(number());
  }
  const start = on(v, "seeked");
  v.currentTime = 1.2;
  await start;
  const end = on(v, "ended");
  await v.play();
  await end;
  told.ended = [v.ended, v.currentTime, number()];
})().catch(why => { told.error = String(why); })
  .finally(() => fetch("/told", {method: "POST", body: JSON.stringify(told)}));
</script>
"""


@contextmanager
def served(folder: Path, told: Queue[dict[str, Any]]) -> Iterator[str]:
    """The files of a folder, whole or in ranges, as a server on the web has them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first = int(asked[1]) if asked else 0
            last = int(asked[2]) if asked and asked[2] else len(data) - 1
            self.send_response(206 if asked else 200)
            kinds = {".mp4": "video/mp4", ".webm": "video/webm", ".vtt": "text/vtt"}
            self.send_header("Content-Type", kinds.get(path.suffix, "text/html"))
            self.send_header("Accept-Ranges", "bytes")
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.send_header("Content-Length", str(last + 1 - first))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(data[first : last + 1])

        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def browsed(folder: Path, page: str) -> dict[str, Any]:
    """What the page tells, opened in Chromium."""
    told: Queue[dict[str, Any]] = Queue()
    with served(folder, told) as address:
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
            "--autoplay-policy=no-user-gesture-required", "--no-first-run",
            f"--user-data-dir={folder / 'profile'}", f"{address}/{page}",
        ]  # fmt: skip
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "HOME": str(folder)},
        ) as browser:
            try:
                return told.get(timeout=120)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(browser.pid, 15)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize(
    ("name", "ending"),
    [("h264", ".mp4"), ("av1", ".mp4"), ("av1-10", ".webm"), ("vp9", ".webm"), ("vp9a", ".webm")],
)
def test_it_plays_in_chromium(tmp_path: Path, name: str, ending: str) -> None:
    path = film(tmp_path, CASES[name].format, (30, 30), ending=ending, tags=TAGS)
    (tmp_path / "chapters.vtt").write_text(CHAPTERS, encoding="utf-8")
    page = PAGE.replace("FILM", path.name).replace("SOUGHT", json.dumps(SOUGHT))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    told = browsed(tmp_path, "page.html")
    assert "error" not in told
    assert told["duration"] == pytest.approx(COUNT / RATE, abs=0.002)
    assert told["size"] == list(SIZE)
    assert told["chapters"] == [[0, 1.2, "Start"], [1.2, 2.4, 'Взлёт: 100 % "burn"']]
    assert told["seen"] == list(SOUGHT)
    assert told["ended"] == [True, pytest.approx(COUNT / RATE, abs=0.002), COUNT - 1]
