"""`python3 -m replay PORT`: serves until it is ended."""

import sys

from .server import Replay

Replay(int(sys.argv[1])).server.serve_forever()
