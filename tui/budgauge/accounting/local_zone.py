"""This machine's own time zone, with all changes of the clock: the zone of `cycle.timezone = "local"`."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, tzinfo

LOCAL = "local"
_EPOCH = datetime(1970, 1, 1)
_FILE = "/etc/localtime"


class LocalZone(tzinfo):
    """The zone of the system's clock. A local time that does not exist, or comes twice, is read by its fold."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """How far local time is ahead of UTC."""
        local = (moment or _EPOCH).replace(tzinfo=None)
        return local - (_EPOCH + timedelta(seconds=local.timestamp()))

    def dst(self, _moment: datetime | None) -> None:
        """Summer time is part of the offset."""

    def tzname(self, moment: datetime | None) -> str:
        """The zone's abbreviation, such as CET."""
        return time.tzname[time.localtime((moment or _EPOCH).replace(tzinfo=None).timestamp()).tm_isdst > 0]

    def fromutc(self, moment: datetime) -> datetime:
        """The local time of a moment in UTC."""
        local = datetime.fromtimestamp((moment.replace(tzinfo=None) - _EPOCH).total_seconds())
        return local.replace(tzinfo=self)


def local_name() -> str:
    """Return a text by which this machine's time zone differs from others."""
    try:
        status = os.stat(_FILE)
        file = f"{os.path.realpath(_FILE)} {status.st_size} {status.st_mtime_ns}"
    except OSError:
        file = ""
    return f"{os.environ.get('TZ')} {time.tzname} {file}"
