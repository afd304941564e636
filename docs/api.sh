#!/usr/bin/env bash
# Builds the API reference from the docstrings: build/api/index.html. Takes the extra "docs".
set -euo pipefail
cd "$(dirname "$0")/.."
python=$([[ -x .venv/bin/python ]] && echo .venv/bin/python || echo python3)
exec "$python" -m pdoc --docformat google --output-directory build/api \
  artnet_core artnet_core.{model,pipeline,finish,features,checkpoint,images,files,resizing,runtime,scores} \
  artnet_core.{network,transfer,video,painting,pruning}
