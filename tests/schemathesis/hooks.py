"""What Schemathesis does not know by itself: how JSON in lines is written."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, row):
    """One row: the document says what a line is, and the body is as many as the client likes."""
    return row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n"
