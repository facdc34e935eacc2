"""The causes: a closed list, in the order of a request's way, so that of two that are certain the nearer comes first.

`follows` names what explains a cause. A backend that answers 503 because its database is stopped is one cause, not two.
"""

from tasks.diagnosing import causes_database as database
from tasks.diagnosing import causes_function as function
from tasks.diagnosing import causes_gateway as gateway
from tasks.diagnosing import causes_settings as settings
from tasks.diagnosing.model import Cause

BEFORE_THE_FUNCTION = ("nothing", "api", "stage")
UNABLE = ("state", "key-or-network", "concurrency")
UNSTARTED = (*UNABLE, "entry", "machine", "libraries")
WITHOUT_MEANS = (
    *UNSTARTED, "variable", "secret",
    "database-stopped", "database-password", "database-tls", "database-full", "database-unreachable",
)  # fmt: skip

CAUSES = (
    Cause("nothing", "Nothing is deployed here", gateway.nothing),
    Cause("api", "The API is not there", gateway.absent_api, follows=("nothing",)),
    Cause("silent", "Nothing answers at the URL", gateway.silent, follows=("nothing", "api")),
    Cause("stage", "The API has no stage, route or deployment for this request", gateway.stage, 12),
    Cause("throttle", "The API's stage throttles all requests", gateway.throttle),
    Cause("target", "The function, version or alias that is called is not there", gateway.target, 2,
          follows=("nothing",)),
    Cause("permission", "API Gateway may not invoke the function", gateway.permission, 1, follows=("target",)),
    Cause("payload", "The API sends events in another form than the backend reads", gateway.payload, 8),
    Cause("concurrency", "The function is throttled, or switched off", function.concurrency, 10),
    Cause("key-or-network", "Lambda cannot decrypt the variables, or gets no network interface",
          function.key_or_network, 11),
    Cause("state", "The function is not active", function.state, 10, follows=("nothing",)),
    Cause("entry", "The package's entry point is missing or cannot be run", function.entry, 4, follows=UNABLE),
    Cause("machine", "The package is built for another processor", function.machine, 5, follows=UNABLE),
    Cause("libraries", "The runtime lacks a library, or its glibc is too old", function.libraries, 6, follows=UNABLE),
    Cause("variable", "A variable that the code requires is not set", settings.variable, 7, follows=UNSTARTED),
    Cause("secret", "A secret that the function needs is not there, or not readable", settings.secret, 7,
          follows=UNSTARTED),
    Cause("database-stopped", "The database does not run", database.stopped),
    Cause("database-password", "The database refuses the password of its secret", database.password),
    Cause("database-tls", "The database cannot be reached with TLS as asked for", database.tls),
    Cause("database-full", "The database has no connection left", database.full),
    Cause("database-unreachable", "The database does not answer", database.unreachable,
          follows=("database-stopped",)),
    Cause("memory", "The function has too little memory", function.memory, 9, follows=UNSTARTED),
    Cause("timeout", "The function takes longer than it may", function.timeout, 9, follows=WITHOUT_MEANS),
    Cause("shape", "The function returns what is no response", function.shape, 8),
    Cause("start", "The function ends while it starts", function.start, 7, follows=WITHOUT_MEANS),
    Cause("code", "The function's own code fails", function.code, follows=WITHOUT_MEANS),
    Cause("backend", "The backend itself answers so", function.backend, follows=WITHOUT_MEANS),
    Cause("log-rights", "The function's lines do not reach its log", settings.log_rights, 3, "logs"),
    Cause("access-log", "The API's access log does not tell errors", gateway.access_log, hinders="logs"),
    Cause("leak", "Each request leaves a database connection open", settings.leak, hinders="speed"),
    Cause("reinitialising", "Each request does what a start should do once", settings.reconnecting, hinders="speed"),
    Cause("cold", "A start takes long", settings.cold, hinders="speed"),
)  # fmt: skip
