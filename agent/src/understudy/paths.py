"""Where things are on a server. One place, so that roles, units and processes cannot disagree."""

from pathlib import Path

ETC = Path("/etc/understudy")
PKI = ETC / "pki"
CA_CERTIFICATE = PKI / "ca.crt"
#: this server's certificate (server and client authentication), SAN: its name and physical addresses
NODE_CERTIFICATE = PKI / "node.crt"
NODE_KEY = PKI / "node.key"
#: 32 bytes in hex; authenticates heartbeats within the site, and what is derived from it sessions and webhooks
HEARTBEAT_KEY = ETC / "heartbeat.key"
#: who may log in, with the hashes of their passwords (`web/users.py`)
USERS = ETC / "users.json"

STATE = Path("/var/lib/understudy")
AGENT_STATE = STATE / "agent"
RECORDER_STATE = STATE / "recorder"
EVENTS_STATE = STATE / "events"
CATALOGUE = RECORDER_STATE / "catalogue.db"

AGENT_SOCKET = Path("/run/understudy-agent/control.sock")
RECORDER_SOCKET = Path("/run/understudy-recorder/control.sock")
WEB_SOCKET = Path("/run/understudy-web/http.sock")
EVENTS_SOCKET = Path("/run/understudy-events/control.sock")
