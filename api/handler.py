"""Lambda's entry point. Importing it is the cold start: the application and the secrets are made ready here, once.

A secret or a database that cannot be reached does not stop the start: `/health` then answers 503 and says so, while a
function that dies at start answers nothing and leaves API Gateway to say 500.
"""

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from api.app import app
from api.logs import log_json

log_json(app.state.backend.settings.log_level)
app.state.backend.warm_up()

# Problems as text, like all JSON: what is not known as text is sent in base64.
handler = Mangum(app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"])
