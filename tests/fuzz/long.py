"""A long run of all targets: ``python tests/fuzz/long.py [minutes each] [folder of corpora]``.

Inputs that lead to new branches are kept in the folder and taken up by the next run.  What is
found stands in it as crash-..., timeout-... or oom-...; exit 1 then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Bounds of libFuzzer on one input: seconds and MB.
BOUNDS = ["-timeout=5", "-rss_limit_mb=1024"]


def run(name: str, seconds: int, folder: Path) -> bool:
    """Whether a target withstands all that the fuzzer thinks of in that time."""
    corpus, found = folder / name, folder / f"{name}-found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "targets.py"), name, str(corpus), *BOUNDS]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={found}/", "-max_len=8192"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    (found / "log.txt").write_text(done.stderr)
    return done.returncode == 0


def main() -> int:
    sys.path.insert(0, str(HERE))
    from targets import TARGETS

    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "fuzz-corpora")
    failed = [name for name in TARGETS if not run(name, int(minutes * 60), folder)]
    sys.stdout.write(f"failed: {', '.join(failed) or 'none'}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
