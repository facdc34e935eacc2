"""What the database's version, its terms and its ledger can be the cause of."""

from tasks.database_engine import number
from tasks.diagnosing.judging import not_seen
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out
from tasks.runbooks.facts import RunbookFacts

SOON_DAYS = 60


def version_not_offered(facts: RunbookFacts) -> Judgement:
    """The mission's `Cannot find version 15.4 for postgres`."""
    seen = facts.engine
    if seen is None:
        return not_seen(facts, "engine")
    if not seen.lacks:
        return ruled_out(seen.says)
    if not seen.offered:
        return certain(seen.says, fixes=(Fix("name another major in database.engine_version of the environment"),))
    fix = Fix(
        f"nothing, a release takes {seen.newest} in its place; to have it in writing, set database.engine_version"
        f' = "{seen.newest}"',
        "miyabi plan -e {environment}",
    )
    if seen.runs:
        return possible(seen.says, against=(f"the instance runs {seen.runs}, which a release keeps",), fixes=(fix,))
    return certain(seen.says, fixes=(fix,))


def no_way_up(facts: RunbookFacts) -> Judgement:
    """A newer version is wanted, and the running one cannot be upgraded to it."""
    seen = facts.engine
    if seen is None:
        return not_seen(facts, "engine")
    if not seen.runs or number(seen.wanted)[0] <= number(seen.runs)[0]:
        return ruled_out(seen.says)
    reach = [one for one in seen.targets if number(one)[0] == number(seen.wanted)[0]]
    through = f"{seen.runs} can be upgraded to {', '.join(reach) or 'no version of it'}"
    fix = Fix(
        "a release does not migrate between majors: take a snapshot, try the upgrade on a copy of it, then upgrade",
        "aws rds modify-db-instance --db-instance-identifier {database} --engine-version "
        f"{reach[-1] if reach else seen.wanted} --allow-major-version-upgrade --apply-immediately",
    )
    return certain(f"{seen.wanted} is another major than the running {seen.runs}", through, fixes=(fix,))


def old_minor(facts: RunbookFacts) -> Judgement:
    """It works, and lacks fixes."""
    seen = facts.engine
    if seen is None:
        return not_seen(facts, "engine")
    newer = [one for one in seen.targets if number(one)[0] == number(seen.runs)[0]] if seen.runs else []
    if not newer:
        return ruled_out(seen.says)
    fix = Fix("RDS brings it in the maintenance window; at once, set database.engine_version and release",
              "miyabi release -e {environment}")  # fmt: skip
    return possible(f"{seen.runs} runs, {newer[-1]} has later fixes", fixes=(fix,))


def plain_refused(facts: RunbookFacts) -> Judgement:
    """Clients without TLS are refused: right so, and the client has to be told."""
    seen = facts.terms
    if seen is None:
        return not_seen(facts, "terms")
    if not seen.without_tls or seen.with_tls:
        return ruled_out(seen.says)
    fixes = (
        Fix("add `?sslmode=require` to the client's connection string"),
        Fix("build the client with TLS: sqlx says `TLS upgrade required but SQLx was built without TLS support`",
            "cargo install sqlx-cli --features postgres,native-tls"),
        Fix("or use our runner, which keeps sqlx's contract", "miyabi migrate -e {environment} --info"),
    )  # fmt: skip
    return likely(f"without TLS the database says: {seen.without_tls}", against=("with TLS it answers",), fixes=fixes)


def tls_broken(facts: RunbookFacts) -> Judgement:
    """TLS itself fails: nobody gets in who must use it."""
    seen = facts.terms
    if seen is None:
        return not_seen(facts, "terms")
    if not seen.with_tls:
        return ruled_out(seen.says)
    against = ("without TLS it fails as well: it may be no matter of TLS",) if seen.without_tls else ()
    fix = Fix("look at the authority of the instance and at database.ca_bundle: see the runbook's other causes")
    return likely(f"with TLS the database says: {seen.with_tls}", against=against, fixes=(fix,))


def authority(facts: RunbookFacts) -> Judgement:
    """verify-full without the authorities' file, or a certificate that ends soon."""
    seen = facts.terms
    if seen is None:
        return not_seen(facts, "terms")
    if seen.sslmode == "verify-full" and not seen.bundle_there:
        fix = Fix("download global-bundle.pem from truststore.pki.rds.amazonaws.com and name it in database.ca_bundle")
        return certain(f"sslmode=verify-full, and {seen.bundle or 'no ca_bundle'} is not there", fixes=(fix,))
    if seen.authority_days is not None and seen.authority_days < SOON_DAYS:
        says = f"the certificate of {seen.authority} ends in {seen.authority_days} days"
        fix = Fix("move the instance to a newer authority, after the clients know it",
                  "aws rds modify-db-instance --db-instance-identifier {database} --ca-certificate-identifier "
                  "rds-ca-rsa2048-g1 --apply-immediately")  # fmt: skip
        return (certain if seen.authority_days < 0 else likely)(says, fixes=(fix,))
    return ruled_out(seen.says)


def files(facts: RunbookFacts) -> Judgement:
    """The files themselves are refused before the database is asked."""
    seen = facts.ledger
    if seen is None:
        return not_seen(facts, "ledger")
    return certain(*seen.bad, fixes=(Fix("mend what is named"),)) if seen.bad else ruled_out(seen.says)


def dirty(facts: RunbookFacts) -> Judgement:
    """One that is not transactional died on its way."""
    fix = Fix("finish by hand what it began, or undo it; then delete its row of `_sqlx_migrations`, and run again",
              "miyabi migrate -e {environment}")  # fmt: skip
    return by_ledger(facts, "dirty", fix)


def changed(facts: RunbookFacts) -> Judgement:
    """A file differs from what was applied."""
    fix = Fix("put the file back as it was applied, and write what is new into a migration of its own",
              "git log -p -- {folder}")  # fmt: skip
    return by_ledger(facts, "changed", fix)


def missing(facts: RunbookFacts) -> Judgement:
    """The database has seen one that is not among the files: another branch's, or a release was taken back."""
    fix = Fix("run with the newer files that know it, or pass over it",
              "miyabi migrate -e {environment} --ignore-missing")  # fmt: skip
    return by_ledger(facts, "missing", fix)


def by_ledger(facts: RunbookFacts, what: str, fix: Fix) -> Judgement:
    seen = facts.ledger
    if seen is None:
        return not_seen(facts, "ledger")
    found: tuple[str, ...] = getattr(seen, what)
    filled = Fix(fix.says, fix.command.replace("{folder}", seen.folder))
    return certain(*found, fixes=(filled,)) if found else ruled_out(seen.says)


def held(facts: RunbookFacts) -> Judgement:
    """Another run waits or works; or one died and its connection lives."""
    seen = facts.ledger
    if seen is None:
        return not_seen(facts, "ledger")
    if not seen.holder:
        return ruled_out("nobody holds the migrations' lock")
    pid = seen.holder.split()[1]
    fix = Fix("wait for it; if it is a dead one, end its connection in the database (the quick-start page of"
              f" `miyabi report` opens it): SELECT pg_terminate_backend({pid})")  # fmt: skip
    return likely(f"the migrations' lock is held by {seen.holder}", fixes=(fix,))


def waiting(facts: RunbookFacts) -> Judgement:
    """Some were never applied."""
    seen = facts.ledger
    if seen is None:
        return not_seen(facts, "ledger")
    if not seen.pending:
        return ruled_out(seen.says)
    late = (f"older than the newest that was applied: {', '.join(seen.late)}",) if seen.late else ()
    fix = Fix("apply them", "miyabi migrate -e {environment}")
    return likely(f"not applied: {', '.join(seen.pending[:8])}", *late, fixes=(fix,))
