"""What becomes of summaries when a viewer takes back what they agreed to, or is erased."""

from collections import Counter

from viewers.models import Claim, Consent, Summary, SummaryTurn


def forget(viewer_id: str, *kinds: Consent.Kind) -> Counter[str]:
    """Delete every version of what was made with these consents; return how many rows of each table.

    Whoever keeps one holds the row of the viewer, and asks again whether they agree: hold it too.
    """
    found = []
    if Consent.Kind.SUMMARY in kinds:
        found += [Summary.objects.filter(viewer=viewer_id), SummaryTurn.objects.filter(viewer=viewer_id)]
    if Consent.Kind.RECAP in kinds:
        found.append(Claim.objects.filter(people=viewer_id))
    return sum((Counter(rows.delete()[1]) for rows in found), Counter())
