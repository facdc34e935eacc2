"""The list of checks. A new one is a function `(facts, claim) -> Looked` and a line here; each has its own test.

`about` says which claims a check judges: a match in the subject counts more than one in the sentence, and of several
checks that match alike the first in this list judges. `phase` is the phase of the plan that its problems belong to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tasks.investigating import checks_backend as backend
from tasks.investigating import checks_cloud as cloud
from tasks.investigating import checks_delivery as delivery
from tasks.investigating import checks_routes as routes
from tasks.investigating import checks_schema as schema
from tasks.investigating.claims import Claim
from tasks.investigating.looking import Looked
from tasks.investigating.model import Facts


@dataclass(frozen=True)
class Check:
    name: str
    title: str
    component: str
    phase: int
    look: Callable[[Facts, Claim | None], Looked]
    about: re.Pattern[str]


def check(
    name: str, title: str, component: str, phase: int, look: Callable[[Facts, Claim | None], Looked], about: str
) -> Check:
    return Check(name, title, component, phase, look, re.compile(about, re.IGNORECASE))


CHECKS: tuple[Check, ...] = (
    check("frontend-address", "Frontend's API address", "Frontend", 3, delivery.frontend_address,
          r"api_?base|frontend|dashboard|localhost|web ?app\b|cloudfront|フロントエンド|ダッシュボード"),
    check("database-connection", "PostgreSQL connection", "Backend", 1, backend.database_connection,
          r"postgres\w*|database connection|db connection|connection pool|\bpool\b|sqlx"
          r"|(データベース|DB)接続|接続プール"),
    check("pool-size", "Size of the connection pool", "Backend", 1, backend.pool_size,
          r"max_connections|pool size|too many connections|connection limit"),
    check("api-routes", "API routes", "Backend", 2, routes.api_routes,
          r"\broutes?\b|endpoints?|routing|ルート|エンドポイント"
          r"|(?<![\w./:])/[a-z][\w/{}:-]*(?![\w/{}:-])(?!\.\w)"),
    check("schema", "Database schema", "Database", 1, schema.schema,
          r"schema|tables?\b|organi[sz]ations?|teams?\b|rbac|permissions?|roles?\b|スキーマ|テーブル|組織|権限"),
    check("migrations", "Migrations", "Database", 1, schema.migrations,
          r"migrations?|sqlx migrate|マイグレーション"),
    check("jwt-auth", "JWT authentication", "Backend", 2, backend.jwt_auth, r"jwt|\bauth\w*|tokens?\b|login|認証"),
    check("route-syntax", "One syntax of path parameters", "Backend", 2, routes.route_syntax,
          r"path param\w*|:id|\{id\}"),
    check("build", "Build", "Backend", 2, delivery.build, r"\bbuilds?\b|compil\w+|cargo|ビルド"),
    check("environment", "Environment variables", "Delivery", 0, delivery.environment,
          r"environment variables?|env vars?|\.env\b|secrets?\b|configur\w+|[A-Z]+_[A-Z_]+|環境変数"),
    check("local-database", "Database for development", "Delivery", 0, delivery.local_database,
          r"docker-compose|compose|local (database|development)|test database"),
    check("docker", "Dockerfile", "Delivery", 0, delivery.docker,
          r"docker(file)?\b|container image|image\b"),
    check("ci", "Continuous integration", "Delivery", 0, delivery.ci,
          r"\bci\b|ci/cd|github actions|workflows? file|pipeline"),
    check("cloud-database", "Database in the cloud", "Cloud", 0, cloud.database, r"\brds\b|aurora|cloud database"),
    check("cloud-function", "Function in the cloud", "Cloud", 0, cloud.function, r"lambda|function\b"),
    check("cloud-variables", "Variables of the deployed function", "Cloud", 0, cloud.variables,
          r"(lambda|function)\S* (lacks|has no|environment|variables)"),
    check("cloud-api", "API gateway", "Cloud", 0, cloud.api, r"api gateway|apigateway|gateway"),
    check("cloud-site", "Bucket and distribution of the site", "Cloud", 3, cloud.site,
          r"\bs3\b|bucket|distribution|cloudfront|\bcdn\b"),
    check("cloud-secrets", "Secrets", "Cloud", 0, cloud.secrets, r"secrets manager|secrets?\b"),
    check("cloud-role", "Execution role", "Cloud", 0, cloud.role,
          r"\biam\b|(?<=iam )roles?|execution role|polic(?:y|ies)"),
    check("cloud-logs", "Log groups", "Cloud", 0, cloud.logs, r"cloudwatch|log groups?|\blogs?\b"),
    check("cloud-network", "Who may reach the database", "Cloud", 0, cloud.network,
          r"security groups?|\bvpc\b|firewall|0\.0\.0\.0|ingress"),
)  # fmt: skip
NAMES = {one.name: one for one in CHECKS}


def check_for(claim: Claim) -> Check | None:
    """The check that a claim is about."""

    def score(one: Check) -> int:
        return 3 * len(one.about.findall(claim.subject)) + len(one.about.findall(claim.text))

    best = max(CHECKS, key=score)
    return best if score(best) else None
