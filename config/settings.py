"""The settings of the gateway, typed. Unknown keys refuse to start; adapters type their own part.

See `config/default.toml` for every key with its meaning.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.duration import Months, Seconds
from config.secret import Secret


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(_Section):
    url: str = ""
    """`sqlite:///path` or `postgresql://user@host/database`; empty: `huiyin.db` in the data directory."""
    password: Secret | None = None
    """Of the PostgreSQL user. None: as PGPASSWORD or ~/.pgpass say."""
    pool_size: Annotated[int, Field(ge=1, le=500)] = 10
    """PostgreSQL connections of one process for all but accepts and hints, which have three of their own."""
    queue_limit: Annotated[int, Field(ge=1)] = 5_000
    """Accepts waiting for their commit; above it callers get 503."""
    min_free_mb: Annotated[int, Field(ge=0)] = 64
    """Of the disk under an embedded store."""


class ServerSettings(_Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    drain_s: Annotated[float, Field(ge=0)] = 20
    public_per_minute: Annotated[int, Field(ge=1)] = 60
    """Calls per minute and address on pages that anybody may open."""
    processes: Literal["auto"] | Annotated[int, Field(ge=0, le=16)] = "auto"
    """Processes that answer calls beside the gateway's own. `auto`: one per core, at most four, none on a single core; they
    start when there is a load."""


class KeysSettings(_Section):
    file: Path | None = None
    """The keyring: the master keys, by version (see config.keys); made on first start. None: `keys/master.key` in the data
    directory."""
    command: tuple[str, ...] = ()
    """A program and its arguments that prints the keyring instead: the bank's key management."""


class BankSettings(_Section):
    name: str = "示例银行"
    hotline: str = "95561"
    timezone: str = "Asia/Shanghai"
    branches: Path | None = None
    """CSV: code,name,region,aliases (aliases separated by |)."""


class InstanceSettings(BaseModel):
    """`adapter` names the party; everything else belongs to the party's own settings model."""

    model_config = ConfigDict(frozen=True, extra="allow")

    adapter: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    enabled: bool = True

    def own(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class ChannelInstanceSettings(InstanceSettings):
    """`expect_every`: a channel silent for longer raises an alarm; 0: never."""

    expect_every: Seconds = 0


class ScanInstanceSettings(InstanceSettings):
    """`when_away`: `later`, attachments wait for the scanner; `pass`, they are marked as not scanned and handed on."""

    when_away: Literal["later", "pass"] = "later"


class Rung(_Section):
    """One rung of an escalation ladder: who is told, how long after registration, unless somebody acknowledged."""

    notice: str
    to: str
    after_s: Annotated[int, Field(ge=0)] = 0


class EscalationSettings(_Section):
    """Ladders by level. The last rung is told again every `repeat_s` until somebody acknowledges."""

    critical: tuple[Rung, ...] = ()
    high: tuple[Rung, ...] = ()
    repeat_s: Annotated[int, Field(ge=1)] = 600


class AlarmSettings(_Section):
    """Who is told of promises that are broken, again every `repeat_s` until they are kept. Two mails to one person are
    `quiet_s` apart, and each says all that is broken then. `after_s` counts from when an alarm was raised.
    """

    to: tuple[Rung, ...] = ()
    repeat_s: Annotated[int, Field(ge=60)] = 3_600
    quiet_s: Annotated[int, Field(ge=0)] = 300
    language: Literal["zh-Hans", "zh-Hant", "en", "ar"] = "zh-Hans"


class DeliverySettings(_Section):
    """How a customer is told. `order` names notice instances, the best first; others are then not used for customers.
    Empty: all, as they stand in the settings.
    """

    order: tuple[str, ...] = ()
    patience_s: Annotated[int, Field(ge=0)] = 900
    """How long a notice may wait on one way ("not now") before the next is tried."""


class PromiseSettings(_Section):
    """Deadlines watched by the sweep. `profile` names the regulation's clocks (see normalizers/moment)."""

    register_s: int = 60
    warn_s: int = 60
    forward_s: int = 3_600
    collect_s: int = 600
    scan_s: int = 3_600
    parked_s: int = 86_400
    seal_s: int = 900
    gap_s: Annotated[int, Field(ge=0)] = 900
    decide_days: int = 15
    decide_soon_days: Annotated[int, Field(ge=0)] = 3
    decide_alarm: bool = False
    """Off, these are only counted: without decisions being told, every complaint would be late one day."""
    profile: str = "cbirc-2020-3"


class AttachmentSettings(_Section):
    """What one complaint may carry, however it came in. `file_bytes`: one file; `complaint_bytes`: all of a complaint;
    `count`: how many are listed. What is over stays in the kept bytes of its envelope, is marked in the complaint, and
    goes no further. A form is refused earlier, while its sender is there: `form_count` files, `form_file_bytes` each,
    `form_bytes` together.
    """

    file_bytes: Annotated[int, Field(ge=1_024, le=1_000_000_000)] = 25_000_000
    complaint_bytes: Annotated[int, Field(ge=1_024)] = 100_000_000
    count: Annotated[int, Field(ge=1, le=1_000)] = 50
    form_count: Annotated[int, Field(ge=1, le=20)] = 6
    form_file_bytes: Annotated[int, Field(ge=1_024)] = 10_000_000
    form_bytes: Annotated[int, Field(ge=1_024, le=200_000_000)] = 20_000_000


class RetentionSettings(_Section):
    """`keep`: how long what customers said is kept after the month in which their matter began; 0 (empty): for ever."""

    keep: Months = 0


class TriageSettings(_Section):
    """`file` replaces the shipped rules; `off` switches signals off; `terms` adds words to a signal."""

    file: Path | None = None
    off: tuple[str, ...] = ()
    terms: dict[str, tuple[str, ...]] = {}


class CodeSettings(_Section):
    """`file`: the official codes the bank supplies, CSV key,code,valid_from,valid_to,edition."""

    file: Path | None = None


class StageSettings(_Section):
    lease_s: Annotated[int, Field(ge=5)] = 60
    batch: Annotated[int, Field(ge=1, le=1000)] = 100
    poll_ms: Annotated[int, Field(ge=5)] = 500
    """The net under the hint: how long a stage sleeps when nothing wakes it."""
    processes: Literal["auto"] | Annotated[int, Field(ge=0, le=16)] = "auto"
    """Processes that read and judge; 0: in the gateway's own. They start when there is a backlog."""


class Settings(_Section):
    data_dir: Path = Path("data")
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    keys: KeysSettings = KeysSettings()
    bank: BankSettings = BankSettings()
    channels: dict[str, ChannelInstanceSettings] = {}
    systems: dict[str, InstanceSettings] = {}
    notices: dict[str, InstanceSettings] = {}
    escalation: EscalationSettings = EscalationSettings()
    alarms: AlarmSettings = AlarmSettings()
    delivery: DeliverySettings = DeliverySettings()
    speech: InstanceSettings | None = None
    """Who writes down speech that a channel brought without words; None: it is marked, and people listen."""
    scan: ScanInstanceSettings | None = None
    """Who looks at attachments for malware; None: nobody does."""
    promises: PromiseSettings = PromiseSettings()
    attachments: AttachmentSettings = AttachmentSettings()
    retention: RetentionSettings = RetentionSettings()
    triage: TriageSettings = TriageSettings()
    codes: CodeSettings = CodeSettings()
    stages: StageSettings = StageSettings()
