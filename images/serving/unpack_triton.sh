#!/bin/sh
# Unpacks tritonserver and its libraries from the wheel that carries it into the folder named by $1.
set -eu
mkdir -p /tmp/wheel "$1"
python3 -m pip download --quiet --no-deps --dest /tmp/wheel --requirement /etc/recsys/triton.txt
python3 - "$1" <<'PY'
import pathlib, sys, zipfile

target = pathlib.Path(sys.argv[1])
(wheel,) = pathlib.Path("/tmp/wheel").glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    wanted = ("pytriton/tritonserver/", "nvidia_pytriton.libs/")
    archive.extractall(target, [name for name in archive.namelist() if name.startswith(wanted)])
PY
server="$1/pytriton/tritonserver"
mv "$server/python_backend_stubs/3.11/triton_python_backend_stub" "$server/backends/python/"
rm -r "$server/python_backend_stubs" /tmp/wheel
chmod 0755 "$server/bin/tritonserver" "$server/backends/python/triton_python_backend_stub"
