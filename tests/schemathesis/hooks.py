"""What Schemathesis cannot do by itself."""

import json

import schemathesis
from hypothesis import strategies


@schemathesis.serializer("application/x-ndjson")
def lines(_context, row):
    """One row: the document says what a line is, and the body is as many as the client likes."""
    return row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def last_line(_context, response):
    """The last line, which says how the stream has ended: the document says what a line is."""
    return json.loads(response.text.rstrip("\n").rpartition("\n")[2])


@schemathesis.hook
def before_load_schema(_context, document):
    """Headers with more than letters and digits: it makes none from a pattern alone, and takes a wrong
    one for right then."""
    document["components"]["parameters"]["If-Match"]["schema"]["format"] = "entity-tags"


schemathesis.openapi.format("entity-tags", strategies.sampled_from(["*", '"1"', '"1", W/"2"']))
