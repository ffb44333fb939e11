"""One guard, with one configuration, holds for every SDK before every provider, streamed and not (PAIN P10)."""

import pytest
from ask import Ask
from replay_stand import PROVIDER_OF, model
from sdks import CALLERS
from written import GUARDED, SECRET

from replay.heard import heard


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", PROVIDER_OF)
@pytest.mark.parametrize("sdk", CALLERS)
def test_a_secret_passes_neither_way(guarded_stand, sdk, api, stream):
    ask = Ask(model(GUARDED[api]), stream, text=f"Remember {SECRET} for me.")
    told = guarded_stand.caller(sdk).ask(ask)
    assert told.text == "Keep [gone] safe."
    asked, record = guarded_stand.settle()
    assert heard(api, asked.body).texts == ["Remember [gone] for me."]
    assert {plugin["name"] for plugin in record["plugins"]} == {"secrets"}
