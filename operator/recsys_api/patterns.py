"""Patterns of strings in manifests, each with the sentence that says what to write instead.

A person reads the sentence, never the pattern: the CRD carries it as the message of a CEL rule, the CLI prints it. All
patterns mean the same to RE2 (API server), Rust (pydantic) and `re`.
"""

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SCHEMES = "s3|gs|az|file"


def _cron_field(number: str) -> str:
    """One field of a cron schedule: `*`, a number or a range, each with an optional step, separated by commas."""
    part = rf"(\*|{number}(-{number})?)(/[1-9][0-9]?)?"
    return f"{part}(,{part})*"


DECIMAL = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$"
NAME = r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"
MODEL_NAME = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
OBJECT_NAME = rf"^{_SUBDOMAIN}$"
LABEL_NAME = rf"^{_LABEL}$"
HOSTNAME = rf"^(\*\.)?{_SUBDOMAIN}$"
PATH_PREFIX = r"^/([-A-Za-z0-9._~!$&'()*+,;=:@%]+(/[-A-Za-z0-9._~!$&'()*+,;=:@%]+)*/?)?$"
URI = rf"^(({_SCHEMES})://[^\s]+|pvc://{_SUBDOMAIN}(/[^\s]*)?)$"
CRON = (
    f"^{_cron_field('[0-5]?[0-9]')} +{_cron_field('(1?[0-9]|2[0-3])')} +{_cron_field('([1-9]|[12][0-9]|3[01])')} "
    f"+{_cron_field('([1-9]|1[0-2])')} +{_cron_field('[0-7]')}$"
)
QUANTITY = r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$"
RESOURCE_NAME = (
    rf"^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i|{_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$"
)
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

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
    PATH_PREFIX: "is not a path; start with / and leave out empty segments, query and spaces, as in /movies",
    URI: (
        "is not a supported URI; use s3://, gs://, az:// or pvc://claim/path, or file:///folder in recsys-trainer fit only"
    ),
    CRON: (
        "is not a schedule; write minute, hour, day of month, month and day of week as numbers, *, ranges or steps, as "
        'in "0 3 * * 1-5" (0 is Sunday, UTC)'
    ),
}
"""What is wrong with a value that does not match, starting after the value itself."""
