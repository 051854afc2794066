"""Patterns of strings in manifests, each with the sentence that says what to write instead.

A person reads the sentence, never the pattern: the CRD carries it as the message of a CEL rule, the CLI prints it. All
patterns mean the same to RE2 (API server), Rust (pydantic) and `re`, so none has a class such as \\s, which is another one to
each. To `re` alone `$` matches before a last newline too: `re.fullmatch` is for it.
"""

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SCHEMES = "s3|gs|az|file"
_BLANK = r"\x00-\x20\x7f-\xa0" + "\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Control characters, and what Unicode takes for space."""


def _cron_field(number: str) -> str:
    """One field of a cron schedule: `*`, a number or a range, each with an optional step, separated by commas."""
    part = rf"(\*|{number}(-{number})?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


_CHARACTER = r"([-A-Za-z0-9_~!$&'()*+,;=:@]|%([013-9A-Fa-f][0-9A-Fa-f]|2[0-9A-Ea-e]))"
"""Of a path, but dots: what the Gateway API takes, so no escaped slash."""
_SEGMENT = rf"(\.?\.?{_CHARACTER}|\.\.\.)({_CHARACTER}|\.)*"
"""Neither . nor .., which lead elsewhere."""
DECIMAL = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$"
NAME = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
MODEL_NAME = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
OBJECT_NAME = rf"^{_SUBDOMAIN}$"
LABEL_NAME = rf"^{_LABEL}$"
HOSTNAME = rf"^(\*\.)?{_SUBDOMAIN}$"
PATH_PREFIX = f"^((/{_SEGMENT})+/?|/)$"
URI = rf"^(({_SCHEMES})://[^{_BLANK}]+|pvc://{_SUBDOMAIN}(/[^{_BLANK}]*)?)$"
CRON = (
    f"^{_cron_field('[0-5]?[0-9]')} +{_cron_field('(1?[0-9]|2[0-3])')} +{_cron_field('([1-9]|[12][0-9]|3[01])')} "
    f"+{_cron_field('([1-9]|1[0-2])')} +{_cron_field('[0-7]')}$"
)
QUANTITY = r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,3})?$"
RESOURCE_NAME = (
    rf"^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i|{_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$"
)
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX = rf"{_PART}(\.{_PART})*"
"""Of a key: Kubernetes limits the whole of it, none of its parts; no pattern can count it apart from the name."""
_KEY = rf"({_PREFIX}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
LABEL_KEY = f"^{_KEY}$"
TAINT_KEY = f"^({_KEY})?$"

_AS_A_KEY = "use at most 63 letters, digits, - _ and ., after a domain of at most 253 and / where it has one, as in example.com/team"
SENTENCES: dict[str, str] = {
    DECIMAL: 'is not a decimal number; write digits in quotes, with at most 9 after the point, as in "0.05"',
    NAME: "is not a name; use 1 to 40 lowercase letters, digits and hyphens, hyphens not at the ends",
    MODEL_NAME: (
        "is not a name for a model, because its Services are named after it; use 1 to 40 lowercase letters, digits and "
        "hyphens, a letter first and no hyphen last"
    ),
    OBJECT_NAME: "is not the name of an object; use lowercase letters, digits, hyphens and dots, as kubectl shows it",
    LABEL_NAME: "is not a name; use 1 to 63 lowercase letters, digits and hyphens, as kubectl shows it",
    HOSTNAME: "is not a host name; write it in lowercase without port or scheme, as in recs.example.com",
    PATH_PREFIX: (
        "is not a path; start with / and leave out query, spaces, escaped slashes and segments that are empty, . or .., as in "
        "/movies"
    ),
    URI: (
        "is not a supported URI; use s3://, gs://, az:// or pvc://claim/path, or file:///folder in recsys-trainer fit only, without "
        "spaces"
    ),
    CRON: (
        "is not a schedule; write minute, hour, day of month, month and day of week as numbers, *, ranges or steps, as "
        'in "0 3 * * 1-5" (0 is Sunday, UTC)'
    ),
    LABEL_VALUE: "is not the value of a label; use at most 63 letters, digits, - _ and ., of which the ends are letters or digits",
    LABEL_KEY: f"is not the key of a label or an annotation; {_AS_A_KEY}",
    TAINT_KEY: f"is not the key of a taint; {_AS_A_KEY}",
}
"""What is wrong with a value that does not match, starting after the value itself."""

PLAIN = frozenset({LABEL_VALUE, TAINT_KEY})
"""Of the values of maps and of lists in lists: the API server prints the pattern, since a rule for each would cost it too much."""
