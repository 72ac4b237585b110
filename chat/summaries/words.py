"""Words that say nothing by themselves."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOBODY = _listed(
    """all anybody anyone anywhere channel chat chatter chatters dude everybody everyone guys here him her me mod mods
    people she somebody someone streamer sub subs the them they this viewer viewers who you"""
)
"""Written with an @, they mean everybody, or nobody in particular."""

ENGLISH = _listed(
    """a about after all also an and are around as at be before but by can during ends even every few for from gets had
    has have how in into is it its keeps likes makes many mostly more most much not of often on one or other others
    out over so some than that the their them then there these they this time to up was what when where which while
    who with would writes"""
)
FOREIGN = _listed(
    """al au aux auf aus avec bei com como con da das de del dem den der des die dos du e een el ele elle em en er es
    est esta et het ich il ist je la las le les los mais mit na ne nicht no non nos nous o os para pas per por pour
    que qui se ses sich sie sind son sont su sua sur und um uma un una une van von vous y zu zum zur"""
)
"""As common in the languages that are written here most beside English."""
