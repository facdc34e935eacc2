"""What an issue's words say of it, by rules: type, priority, severity, agent, category, minutes. No model, no network.

A label that is already there wins over words; words in the title count three times those in the body. English words
count as whole words, Japanese ones wherever they stand. The tables below are the documentation: change them there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast, get_args

from database.agent_models import Priority, Severity, TaskType

TYPE_WORDS: Mapping[TaskType, str] = {
    "docs": r"docs?|documentation|document|readme|guides?|runbooks?|changelog|typos?"
            r"|ドキュメント|文書|説明書|手順書|誤字|マニュアル",
    "bug": r"bugs?|errors?|crash(es|ed)?|fix(es)?|broken|fail(s|ed|ing|ure)?|exceptions?|regression|wrong|leaks?"
           r"|バグ|不具合|エラー|修正|障害|落ちる|動かない|失敗|例外",
    "deployment": r"(re)?deploy(s|ed|ment)?|releases?|roll ?out|go live|ship"
                  r"|デプロイ|リリース|本番反映|配備",
    "test": r"tests?|testing|coverage|e2e|verify|validat(e|ion)|audit"
            r"|テスト|試験|カバレッジ|検証",
    "refactor": r"refactor(ing|ed)?|clean ?up|simplify|restructure|rename|optimi[sz](e|ation)|performance|speed up"
                r"|リファクタ|整理|最適化|高速化|改善",
    "feature": r"features?|add(s|ed)?|implement(s|ed|ation)?|support|introduce|new|enable|create|set up|integrat(e|ion)"
               r"|機能|追加|実装|対応|新規|導入|作成",
}  # fmt: skip
"""Of equal counts the first stands. Only plain words of releasing make a deployment: its agent releases."""

BEGINS = re.compile(r"(?:add|implement|introduce|create|support|enable|set up)\b")
"""A title that begins so is of a feature, where counts are equal: "Add error handling" mends nothing."""

PRIORITY_WORDS: Mapping[Priority, str] = {
    "P0": r"production (is )?down|outage|data loss|breach|vulnerabilit(y|ies)|cve-\d+|sql injection|xss|critical|urgent"
          r"|hotfix|leaked"
          r"|本番障害|本番停止|全停止|データ消失|データ損失|情報漏洩|漏えい|脆弱性|緊急|至急|致命的",
    "P1": r"important|high priority|blockers?|blocks|regression|http 500|5\d\d errors?|crash(es|ed)?|major|asap"
          r"|degrad(ed|ation)"
          r"|重要|高優先|重大|優先|性能劣化|ブロック|クラッシュ",
    "P3": r"typos?|minor|cosmetic|nice to have|someday|low priority|trivial"
          r"|軽微|誤字|いつか|低優先|些細",
}  # fmt: skip
"""The most urgent that is found; P2 if none is."""

CATEGORY_WORDS: Mapping[str, str] = {
    "security": r"security|auth(entication|orization)?|jwt|oauth|permissions?|waf|secrets?|xss|cve"
                r"|セキュリティ|認証|認可|権限|脆弱性",
    "database": r"database|postgres(ql)?|rds|sql|migrations?|schema|quer(y|ies)|redis"
                r"|データベース|マイグレーション|スキーマ",
    "frontend": r"frontend|ui|css|dashboard|react|page|browser|cloudfront"
                r"|フロントエンド|画面|ダッシュボード|表示",
    "infrastructure": r"aws|lambda|terraform|docker|ci/cd|vpc|cloudwatch|iam|scaling|multi-az|backups?"
                      r"|インフラ|監視|サーバー?|バックアップ",
    "api": r"api|endpoints?|rest|graphql|http|エンドポイント",
    "documentation": r"docs?|documentation|readme|runbooks?|ドキュメント|手順書",
}  # fmt: skip

PRIORITY_LABELS: Mapping[Priority, str] = {
    "P0": "priority:P0-Critical", "P1": "priority:P1-High", "P2": "priority:P2-Medium", "P3": "priority:P3-Low",
}  # fmt: skip
SEVERITIES: Mapping[Priority, Severity] = {"P0": "critical", "P1": "high", "P2": "medium", "P3": "low"}
SEVERITY_LABELS: Mapping[Severity, str] = {
    "critical": "severity:Sev.1-Critical", "high": "severity:Sev.2-High", "medium": "severity:Sev.3-Medium",
    "low": "severity:Sev.4-Low",
}  # fmt: skip

MINUTES: Mapping[TaskType, int] = {"feature": 120, "bug": 60, "refactor": 90, "docs": 30, "test": 45, "deployment": 30}
"""What the mission's issue agent estimates (reference: miyabi.md §5.6)."""
SMALLER = r"simple|small|trivial|typos?|minor|quick|簡単|小さな|軽微|誤字"
LARGER = r"complex|large|whole|entire|rewrite|migration|複雑|大規模|全体|全面"
POINT_MINUTES = 15
"""For each point of a checklist beyond the first."""
LONGEST_MINUTES = 10_080
"""A week: what the mission's validator allows."""

AGENTS_OF: Mapping[TaskType, str] = {
    "feature": "codegen", "bug": "codegen", "refactor": "codegen", "docs": "codegen", "test": "codegen",
    "deployment": "deployment",
}  # fmt: skip
"""Who does a task of a type (reference: miyabi.md §5.6)."""

# Texts come from outside: every gap and every list is bounded, so that no text makes these slow.
CHECKBOX = re.compile(r"^[ \t]*(?:[-*+]|\d{1,4}[.)])[ \t]+\[[ xX]\][ \t]+\S", re.MULTILINE)
ESTIMATE = re.compile(
    r"(?:estimate[ds]?|effort|見積(?:もり|り)?|工数) {0,3}[:：]? {0,3}(?:\d{1,5} {0,3}[-–~〜] {0,3})?"
    r"(\d{1,5}(?:\.\d{1,3})?) {0,3}(minutes?|mins?|m|hours?|hrs?|h|days?|d|分|時間|日)(?![a-z])",
    re.IGNORECASE,
)
UNITS = {"m": 1, "分": 1, "h": 60, "時": 60, "d": 480, "日": 480}
NUMBERS = r"(?:#\d{1,9}(?: {0,3}(?:,|、|と|and) {0,3}| {1,3})?){1,50}"
WAITS_FOR = re.compile(
    rf"(?:depends? on|blocked by|after|requires|依存(?:先)?) {{0,3}}[:：]? {{0,3}}({NUMBERS})"
    rf"|({NUMBERS}) {{0,3}}(?:に依存|の後|が必要)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Verdict:
    """What the rules say; `reasons` in words that a person can check."""

    type: TaskType
    priority: Priority
    severity: Severity
    agent_type: str
    categories: list[str]
    minutes: int
    depends_on: list[int]
    reasons: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """The labels in the mission's words, without pictures. Severity is said of bugs only, as there."""
        severity = [SEVERITY_LABELS[self.severity]] if self.type == "bug" else []
        return [
            f"type:{self.type}", PRIORITY_LABELS[self.priority], *severity, f"agent:{self.agent_type}",
            *(f"category:{name}" for name in self.categories),
        ]  # fmt: skip


def judge(title: str, body: str = "", labels: Sequence[str] = ()) -> Verdict:
    """What the rules say of this issue."""
    reasons: list[str] = []
    kind = type_of(title, body, labels, reasons)
    priority = priority_of(title, body, labels, reasons)
    points = len(CHECKBOX.findall(body))
    agent = "coordinator" if points > 1 else AGENTS_OF[kind]
    if points > 1:
        reasons.append(f"agent coordinator: a checklist of {points} points")
    return Verdict(
        kind, priority, SEVERITIES[priority], agent, categories_of(title, body), minutes_of(kind, title, body, reasons),
        waits_for(body), reasons,
    )  # fmt: skip


def type_of(title: str, body: str, labels: Sequence[str], reasons: list[str]) -> TaskType:
    if known := labelled("type", labels, get_args(TaskType)):
        reasons.append(f"type {known}: it has that label")
        return cast(TaskType, known)
    scores = {kind: 3 * len(hits(words, title)) + len(hits(words, body)) for kind, words in TYPE_WORDS.items()}
    scores["feature"] += bool(BEGINS.match(title.strip().lower()))
    best = max(scores, key=lambda kind: scores[kind])
    if not scores[best]:
        reasons.append("type feature: no word says otherwise")
        return "feature"
    found = sorted(hits(TYPE_WORDS[best], title) | hits(TYPE_WORDS[best], body))
    reasons.append(f"type {best}: {', '.join(found)}")
    return best


def priority_of(title: str, body: str, labels: Sequence[str], reasons: list[str]) -> Priority:
    if known := labelled("priority", labels, get_args(Priority)):
        reasons.append(f"priority {known}: it has that label")
        return cast(Priority, known)
    for priority, words in PRIORITY_WORDS.items():
        if found := sorted(hits(words, f"{title}\n{body}")):
            reasons.append(f"priority {priority}: {', '.join(found)}")
            return priority
    reasons.append("priority P2: no word of urgency")
    return "P2"


def labelled(family: str, labels: Sequence[str], known: Sequence[str]) -> str | None:
    """The value of the label `family:value`, whatever picture stands before it and whatever follows a dash."""
    for label in labels:
        _, found, value = label.partition(f"{family}:")
        for one in known:
            if found and re.match(rf"{re.escape(one)}\b", value, re.IGNORECASE):
                return one
    return None


def categories_of(title: str, body: str) -> list[str]:
    """The two that most words speak of, most first."""
    scores = {name: 3 * len(hits(words, title)) + len(hits(words, body)) for name, words in CATEGORY_WORDS.items()}
    return sorted((name for name in scores if scores[name]), key=lambda name: -scores[name])[:2]


def minutes_of(kind: TaskType, title: str, body: str, reasons: list[str]) -> int:
    """What the text says, else the type's figure: half if it sounds small, double if large, more for a checklist."""
    if said := ESTIMATE.search(f"{title}\n{body}"):
        reasons.append(f"estimate: the text says {said[0]!r}")
        return min(LONGEST_MINUTES, round(float(said[1]) * UNITS[said[2][0].lower()]))
    factor = 0.5 if hits(SMALLER, title) else 2.0 if hits(LARGER, title) else 1.0
    more = POINT_MINUTES * max(0, len(CHECKBOX.findall(body)) - 1)
    minutes = min(LONGEST_MINUTES, round(MINUTES[kind] * factor) + more)
    reasons.append(f"estimate: {MINUTES[kind]} min for {kind} × {factor:g} + {more} min for its checklist")
    return minutes


def waits_for(text: str) -> list[int]:
    """Numbers of issues that are named as conditions."""
    found = " ".join(match[0] for match in WAITS_FOR.finditer(text))
    return sorted({int(number) for number in re.findall(r"#(\d+)", found)})


def hits(words: str, text: str) -> set[str]:
    """The words of a table that are in the text, in lower case. ASCII words have to stand alone."""
    found = re.finditer(rf"(?<![a-z0-9_-])(?:{words})(?![a-z0-9_])|{japanese(words)}", text.lower())
    return {match[0] for match in found}


def japanese(words: str) -> str:
    """The alternatives that are not ASCII; one that matches nothing if there are none."""
    return "|".join(word for word in words.split("|") if not word.isascii()) or r"(?!)"
