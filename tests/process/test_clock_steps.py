"""Ages and times of what lives stay right when the wall clock is set: they follow the monotonic clock."""

import datetime
import time

import pytest

from gateway import Gateway, until
from lab import device
from shims import WallClock

DAY = 24 * 3600


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("step", [30 * DAY, -400 * DAY], ids=["forward", "back"])
def test_the_times_of_what_lives_follow_the_clock(tmp_path, step):
    clock = WallClock(tmp_path)
    with Gateway(env=clock.env) as gateway, device.connect(gateway.address) as sock:
        sock.sendall(device.item("10.0.0.1"))
        record = gateway.connected("{}:{}".format(*sock.getsockname()))
        clock.to(step)
        now = time.time() + step
        assert until(lambda: abs(seconds_of(gateway.status()["started_at"]) - now) < 60)
        status = gateway.status()
        assert abs(seconds_of(status["started_at"]) + status["uptime_s"] - time.time() - step) < 5
        for row in (gateway.ask("GET", "/v1/connections")["connections"][0],
                    gateway.ask("GET", f"/v1/connections/{record.conn}")):
            assert abs(seconds_of(row["connected_at"]) + row["age_s"] - time.time() - step) < 5
            assert row["age_s"] < 60

        def points():
            return gateway.ask("GET", "/v1/trend?window=60s&step=1s")["points"]

        assert until(lambda: points() and abs(seconds_of(points()[-1]["at"]) - time.time() - step) < 5)
        seen = points()
        assert seconds_of(seen[-1]["at"]) - seconds_of(seen[0]["at"]) < 60, "no gap between the two times"
        assert sum(point["accepted"] for point in seen) == 1
