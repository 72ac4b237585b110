"""What happens on an evening beside the talk: subscriptions, gifts, raids, cheers, and work for moderators."""

from collections.abc import Callable
from functools import partial

from streamstats.simulator.crowd import Raid
from streamstats.simulator.moments import HOUR, MINUTE, SECOND
from streamstats.simulator.person import ANONYMOUS, BOTS, NIGHTBOT, Person
from streamstats.simulator.stage import Stage
from streamstats.simulator.wire import SINGLE_GIFT
from streamstats.simulator.words import WORDS

MILESTONES = (3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60)
BOMBS = (5, 5, 5, 10, 10, 20, 50)
PLAN_NAMES = {"Prime": "with Prime", "1000": "at Tier 1", "2000": "at Tier 2", "3000": "at Tier 3"}
CHEERS = (1, 10, 50, 100, 100, 100, 200, 500, 1000, 5000)
ANNOUNCEMENT_COLORS = ("PRIMARY", "BLUE", "GREEN", "ORANGE", "PURPLE")
TIMER_EVERY = 27 * MINUTE


def plan(stage: Stage) -> None:
    """Put everything that will happen on the stage's agenda."""
    show, dice = stage.broadcast, stage.dice
    start_ms, end_ms = show.started_ms + 5 * MINUTE, show.ended_ms - 5 * MINUTE
    hours = (end_ms - start_ms) / HOUR

    def at() -> int:
        return dice.randrange(start_ms, end_ms)

    for an_hour, what in FREQUENCIES:
        for _ in range(int(an_hour * hours + dice.random())):
            stage.later(at(), partial(what, stage))
    for at_ms in range(start_ms, end_ms, TIMER_EVERY):
        stage.later(at_ms, partial(timer, stage))
    for person in _with_milestone(stage):
        stage.later(at(), partial(milestone, stage, person))
    for person in _renewing(stage):
        stage.later(at(), partial(subscription, stage, person))
    raid = stage.crowd.raid(show)
    if raid is not None:
        stage.later(raid.at_ms, partial(arrive, stage, raid))


# Subscriptions.


def subscription(stage: Stage, person: Person, at_ms: int) -> None:
    """Announce a first or a further month."""
    months, name = person.months(stage.broadcast.day), person.name(at_ms).display_name
    streak = min(months, stage.dice.randrange(1, 30))
    sentence = f"{name} subscribed {PLAN_NAMES[person.plan]}."
    if months > 1:
        sentence += f" They've subscribed for {months} months, currently on a {streak} month streak!"
    text = stage.talk.filled(stage.dice.choice(WORDS["resub"]), {"months": str(months)}) if months > 1 else ""
    stage.notice(
        at_ms,
        person,
        "resub" if months > 1 else "sub",
        sentence,
        text if stage.dice.random() < 0.8 else "",
        cumulative_months=months,
        months=0,
        multimonth_duration=1,
        multimonth_tenure=0,
        should_share_streak=1,
        streak_months=streak,
        sub_plan=person.plan,
        sub_plan_name=f"Channel Subscription ({stage.channel.login})",
        was_gifted="false",
    )


def gift(stage: Stage, at_ms: int) -> None:
    giver, recipient = stage.speaker(), _without_subscription(stage)
    if giver is None or recipient is None or giver is recipient:
        return
    sender = ANONYMOUS if stage.dice.random() < 0.1 else giver
    _give(stage, at_ms, sender, recipient, sender_count=stage.dice.randrange(1, 40), origin_id=SINGLE_GIFT)


def gift_bomb(stage: Stage, at_ms: int) -> None:
    """One notice for all, and one for each; Twitch does not promise their order."""
    giver, recipients = stage.speaker(), _all_without_subscription(stage)
    count, bomb_id, total = stage.dice.choice(BOMBS), stage.new_id(), stage.dice.randrange(1, 300)
    if giver is None or len(recipients) < count:
        return
    name = giver.name(at_ms).display_name
    stage.notice(
        at_ms + stage.dice.choice((0, 0, 0, 900)),
        giver,
        "submysterygift",
        f"{name} is gifting {count} Tier 1 Subs to {stage.channel.display_name}'s community! "
        f"They've gifted a total of {total + count} in the channel!",
        mass_gift_count=count,
        origin_id=bomb_id,
        community_gift_id=bomb_id,
        sender_count=total + count,
        sub_plan=1000,
    )
    for number, recipient in enumerate(stage.dice.sample(recipients, count)):
        _give(stage, at_ms + 50 + number * 60, giver, recipient, sender_count=0, origin_id=bomb_id, bomb_id=bomb_id)


def paid_upgrade(stage: Stage, at_ms: int) -> None:
    person, giver = _without_subscription(stage), stage.speaker()
    if person is None or giver is None:
        return
    name, from_whom = person.name(at_ms).display_name, giver.name(at_ms)
    sentence = f"{name} is continuing the Gift Sub they got from {from_whom.display_name}!"
    stage.notice(
        at_ms,
        person,
        "giftpaidupgrade",
        sentence,
        sender_login=from_whom.login,
        sender_name=from_whom.display_name,
    )


def _give(stage: Stage, at_ms: int, giver: Person, recipient: Person, bomb_id: str = "", **params: str | int) -> None:
    name, given = giver.name(at_ms).display_name, recipient.name(at_ms)
    stage.gifted.add(recipient.twitch_id)
    if bomb_id:
        params["community_gift_id"] = bomb_id
    stage.notice(
        at_ms,
        giver,
        "subgift",
        f"{name} gifted a Tier 1 sub to {given.display_name}!",
        "",
        gift_months=1,
        months=1,
        recipient_display_name=given.display_name,
        recipient_id=recipient.twitch_id,
        recipient_user_name=given.login,
        sub_plan=1000,
        sub_plan_name=f"Channel Subscription ({stage.channel.login})",
        **params,
    )


def _without_subscription(stage: Stage) -> Person | None:
    found = _all_without_subscription(stage)
    return stage.dice.choice(found) if found else None


def _all_without_subscription(stage: Stage) -> list[Person]:
    return [person for person in stage.present if not stage.is_subscriber(person)]


def _renewing(stage: Stage) -> list[Person]:
    """Visitors whose month of subscription began since the last evening."""
    last = stage.crowd.schedule.before(stage.broadcast, 1)
    if not stage.broadcast.is_planned or not last:
        return []
    return [p for p in _visitors(stage) if p.months(stage.broadcast.day) > p.months(last[0].day)]


# Visits.


def arrive(stage: Stage, raid: Raid, at_ms: int) -> None:
    """Raiders come in all at once and say so; the regulars greet them."""
    name = raid.leader.name(at_ms)
    stage.notice(
        at_ms,
        raid.leader,
        "raid",
        f"{raid.viewers} raiders from {name.display_name} have joined!",
        displayName=name.display_name,
        login=name.login,
        viewerCount=raid.viewers,
        profileImageURL="",
    )
    for person in raid.party:
        if stage.dice.random() < 0.75:
            text = stage.talk.message(person, "raid", False, raider=name.display_name)
            says_at = at_ms + int(stage.dice.expovariate(1 / 12) * SECOND) + 500
            stage.later(says_at, partial(stage.say, person=person, text=text))
    thanks = f"welcome raiders! thank you {name.display_name} <3"
    stage.later(at_ms + 9 * SECOND, partial(stage.say, person=stage.crowd.streamer, text=thanks))


def milestone(stage: Stage, person: Person, at_ms: int) -> None:
    streak = stage.crowd.streak(person, stage.broadcast)
    name = person.name(at_ms).display_name
    stage.notice(
        at_ms,
        person,
        "viewermilestone",
        f"{name} watched {streak} consecutive streams this month and sparked a watch streak!",
        stage.talk.message(person, "calm", stage.is_subscriber(person)),
        category="watch-streak",
        copoReward=350 if streak < 5 else 450,
        id=stage.new_id(),
        value=streak,
    )


def _with_milestone(stage: Stage) -> list[Person]:
    """Visitors who share that their streak reached a round number."""
    if not stage.broadcast.is_planned:
        return []
    sharing = [person for person in _visitors(stage) if person.talk > 0 and stage.dice.random() < 0.5]
    return [person for person in sharing if stage.crowd.streak(person, stage.broadcast) in MILESTONES][:6]


def _visitors(stage: Stage) -> list[Person]:
    return list({visit.person.twitch_id: visit.person for visit in stage.visits}.values())


# Bits and points.


def cheer(stage: Stage, at_ms: int) -> None:
    person = stage.speaker()
    if person is None:
        return
    bits = stage.dice.choice(CHEERS)
    stage.say(at_ms, person, f"Cheer{bits} {stage.talk.filled(stage.dice.choice(WORDS['cheer']))}", bits=bits)


def bits_badge(stage: Stage, at_ms: int) -> None:
    person = stage.speaker()
    if person is None:
        return
    threshold = stage.dice.choice((100, 1000, 5000))
    sentence = f"{person.name(at_ms).display_name} just earned a new {threshold} Bits badge!"
    stage.notice(at_ms, person, "bitsbadgetier", sentence, threshold=threshold)


def highlight(stage: Stage, at_ms: int) -> None:
    """A message that channel points were spent on."""
    person = stage.speaker()
    if person is None:
        return
    text = stage.talk.filled(stage.dice.choice(WORDS["highlight"]))
    if stage.dice.random() < 0.5:
        stage.say(at_ms, person, text, msg_id="highlighted-message")
    else:
        stage.say(at_ms, person, text, custom_reward_id=stage.dice.choice(WORDS["reward_ids"]))


# Moderators and bots.


def timer(stage: Stage, at_ms: int) -> None:
    stage.say(at_ms, stage.dice.choice(BOTS), stage.dice.choice(WORDS["timers"]))


def announcement(stage: Stage, at_ms: int) -> None:
    moderators = [person for person in stage.present if person.role == "moderator"] or [stage.crowd.streamer]
    text = stage.talk.filled(stage.dice.choice(WORDS["announcements"]))
    color = stage.dice.choice(ANNOUNCEMENT_COLORS)
    stage.notice(at_ms, stage.dice.choice(moderators), "announcement", "", text, color=color)


def advert(stage: Stage, at_ms: int) -> None:
    """Somebody nobody knows advertises, and is gone seconds later."""
    spammer = stage.crowd.stranger(stage.broadcast, 900 + stage.dice.randrange(90))
    said = stage.say(at_ms, spammer, stage.dice.choice(WORDS["adverts"]))
    if said is None:
        return
    at_ms += stage.dice.randrange(800, 5000)
    stage.later(at_ms, partial(stage.delete, said=said))
    stage.later(at_ms + 300, partial(stage.silence, person=spammer, seconds=None))
    _reprimand(stage, at_ms + 700, spammer, 0)


def time_out(stage: Stage, at_ms: int) -> None:
    """Somebody writes the same wall of text too often."""
    person = stage.speaker()
    if person is None or person.role != "viewer":
        return
    wall = " ".join([stage.talk.emote(person, "hype", stage.is_subscriber(person))] * 24)
    for number in range(stage.dice.randrange(2, 5)):
        stage.later(at_ms + number * 2500, partial(stage.say, person=person, text=wall))
    seconds = stage.dice.choice((1, 60, 300, 600, 600))
    stage.later(at_ms + 12 * SECOND, partial(stage.silence, person=person, seconds=seconds))
    _reprimand(stage, at_ms + 13 * SECOND, person, 2)


def delete_something(stage: Stage, at_ms: int) -> None:
    said = next((said for said in reversed(stage.recent) if said.person.role == "viewer"), None)
    if said is not None:
        stage.later(at_ms + stage.dice.randrange(1000, 9000), partial(stage.delete, said=said))


def slow_mode(stage: Stage, at_ms: int) -> None:
    stage.switch(at_ms, "slow", 5, "slow_on", "This room is now in slow mode. You may send messages every 5 seconds.")
    stage.switch(at_ms + 6 * MINUTE, "slow", 0, "slow_off", "This room is no longer in slow mode.")


def _reprimand(stage: Stage, at_ms: int, person: Person, which: int) -> None:
    text = WORDS["reprimands"][which].format(viewer=person.name(at_ms).display_name)
    stage.later(at_ms, partial(stage.say, person=NIGHTBOT, text=text))


# How many times an hour.
FREQUENCIES: tuple[tuple[float, Callable[[Stage, int], None]], ...] = (
    (1.4, cheer),
    (0.5, gift),
    (0.12, gift_bomb),
    (0.35, announcement),
    (0.4, time_out),
    (0.5, delete_something),
    (0.18, advert),
    (0.8, highlight),
    (0.12, slow_mode),
    (0.1, bits_badge),
    (0.12, paid_upgrade),
)
