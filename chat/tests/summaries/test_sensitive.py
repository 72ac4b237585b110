"""What a summary says of nobody, in the languages that chats are written in."""

import re

import pytest

from chat.summaries.sensitive import LIST, categories_of

SAID = {
    "health": """
        They broke their leg last winter.
        They take pills for it.
        They are on the spectrum.
        They quit smoking.
        They suffer from depression.
        They often mention their anxiety
        They were diagnosed last year.
        They have ADHD and joke about it.
        They are in a wheelchair.
        They are sick this week.
        They are recovering from surgery.
        They write about being pregnant.
        They take medication for it.
        They struggle with addiction.
        Sie haben eine Krankheit.
        Er ist seit langem krank.
        Tiene una enfermedad grave.
        Habla de su depresi\u00f3n.
        Il parle de sa maladie.
        Elle est enceinte.
        Fala da sua doen\u00e7a.
        Sofre de depress\u00e3o.
    """,
    "religion": """
        They keep Shabbat.
        They are a devout Christian.
        They pray before every boss.
        They go to church on Sundays.
        They fast during Ramadan.
        They are an atheist.
        They quote the Bible.
        Their Jewish jokes are frequent.
        Er geht in die Kirche.
        Sie ist J\u00fcdin, sie ist j\u00fcdisch.
        Es cat\u00f3lico.
        Elle est musulmane.
        \u00c9 crist\u00e3o.
    """,
    "orientation": """
        They mention that their partner watches too.
        They use he/him pronouns.
        They identify as a woman.
        They have a crush on another viewer.
        They are gay.
        They came out as bisexual.
        They are a trans woman.
        They are non-binary.
        They mention their boyfriend.
        They write about their wife.
        They are divorced.
        They state their pronouns, her pronouns, often.
        Er ist schwul.
        Ella es lesbiana.
        Il est homosexuel.
        Fala do seu marido.
    """,
    "politics": """
        They vote for the Greens, and voted for them before.
        They talk about politics.
        They support Trump.
        They are a socialist.
        They have right-wing views.
        They complain about the government.
        Sie w\u00e4hlt die Partei.
        Habla de pol\u00edtica y elecciones.
        Il parle de politique.
        Fala do governo.
    """,
    "ethnicity": """
        They are Black people's champion, and white men.
        They are Mexican.
        They are half Japanese.
        They mention being an immigrant.
        A German guy.
        They make racist jokes.
        Ihre Hautfarbe ist Thema.
        Es inmigrante.
        Il est immigr\u00e9.
        Fala da cor da pele.
    """,
    "real name": """
        Their friends call them Tommy.
        They are called Thomas.
        Their real name is known.
        Their first name is Tom.
        They call themselves Tom.
        A person named Tom.
        Known as Tom in private.
        Er hei\u00dft Thomas.
        Sein richtiger Name ist bekannt.
        Se llama Tom\u00e1s.
        Il s'appelle Thomas.
        Ele se chama Tom\u00e1s.
    """,
    "place": """
        They write from Canada.
        They watch with friends in Munich.
        They are a Londoner.
        Their home is in the Alps.
        They live in Berlin.
        They are from Sweden.
        They come from a small village.
        They moved to Madrid.
        They grew up near the sea.
        They mention their home town.
        They are based in Lyon.
        They talk about the weather in Oslo.
        They complain about their time zone.
        Er wohnt in Hamburg.
        Sie kommt aus Wien.
        Vive en Madrid.
        Il habite \u00e0 Lyon.
        Mora em Lisboa.
    """,
    "age": """
        They are in seventh grade.
        They are in their thirties.
        They just finished school.
        They are 15 years old.
        A 15-year-old viewer.
        They turned 16.
        They are a teenager.
        They do homework while watching.
        They are in high school.
        They celebrated their birthday.
        They are sixteen.
        Er ist 15 Jahre alt.
        Tiene 15 a\u00f1os.
        Elle a 15 ans.
        Tem 15 anos.
    """,
    "family": """
        They raise twins.
        They are a stay-at-home parent.
        They mention their mother.
        They have two kids.
        They talk about their little brother.
        They are a single parent.
        Seine Mutter schaut zu.
        Su hermano juega tambi\u00e9n.
        Sa m\u00e8re regarde.
        Sua m\u00e3e assiste.
    """,
    "work": """
        They drive a truck for a living.
        They teach maths.
        They left the army.
        They have debts.
        They study biology in a big town.
        They work as a nurse.
        They work for a bank.
        They are a software developer.
        They complain about their boss.
        They study at university, studying law.
        They lost their job.
        They watch during their night shift.
        Er arbeitet bei der Bahn.
        Trabaja en un hospital.
        Il travaille chez Renault.
        Ele trabalha muito.
    """,
    "contact": """
        Their phone number is known.
        Their Instagram handle is known.
        They can be found on WhatsApp.
        Ihre Telefonnummer ist bekannt.
        Su correo electr\u00f3nico es conocido.
        Son adresse mail est connue.
        O n\u00famero de telefone \u00e9 conhecido.
    """,
}
EVASIONS = [
    ("health", "They are d3pressed."),
    ("health", "They are d\u0435pressed."),  # a Cyrillic letter
    ("health", "They are de\u200bpressed."),
    ("health", "They are \uff44\uff45\uff50\uff52\uff45\uff53\uff53\uff45\uff44."),
    ("health", "They are D E P R E S S E D."),
    ("health", "They are d.e.p.r.e.s.s.e.d."),
    ("health", "They are depresssssed."),
    ("orientation", "They are g4y."),
    ("orientation", "They are \U0001d5f4\U0001d5ee\U0001d606."),
    ("religion", "They are a Chr\u00edstian."),
    ("politics", "They like p0litics."),
    ("place", "They l1ve in Berlin."),
]
FINE = """
    They cheer the streamer on and answer the questions of newcomers.
    They write mostly about speedruns and know the routes well.
    They make dad jokes whenever a boss fight goes wrong.
    They write in short bursts, often with a single emote.
    They tell others how the fishing minigame works.
    They ask about the music and like Japanese rock songs.
    They joke about the streamer's bad aim and blame the controller.
    They share recipes during cooking streams.
    Their tone is warm, dry and a bit sarcastic.
    They write from time to time about board games.
    They are patient with newcomers and explain rules.
    They bet channel points on everything and lose most of it.
    They look forward to the next part of the series.
    They enjoy strategy games and their wonders.
    They greet everybody at the start and say goodnight at the end.
    They hype raids with walls of emotes.
    They collect strange facts about trains and share them unasked.
    They argue about the best starter and never change their mind.
    They speak several languages and switch between them.
    They are curious, and one in three messages asks something.
    They react to jump scares in capitals.
    They count the deaths and remind the streamer of the number.
    They tease the streamer about forgetting to save.
    They talk about keyboards, monitors and other hardware.
    They like to guess the plot before it happens.
    They are 3 of the 5 most active in trivia nights.
    They came to 34 of 120 streams, 12 of them in a row at best.
    They have been around since 3 March 2025 and have written 1,204 messages on 80 days.
    They write most on Saturdays, when 75 % of their messages were sent (days are UTC days).
    The messages that were read have 7 words on average, and about half ask something.
    Kappa is the emote they use most, 31 times so far.
    They watched streams about Elden Ring for 40 h.
    They praise the soundtrack and the art of every indie game.
    They turn every puzzle into a team effort.
    They know which class and which build works best in raids.
    They follow chess tournaments and explain openings.
    They play along at home and compare scores.
    They make up nonsense commands and see what sticks.
    They welcome raiders by typing the same rhyme.
    They like horror films and rank them in detail.
    They call the controller cursed each time a jump fails.
    They post short poems about the stream's cat.
    They wonder about lore and ask for theories.
    They are quick to spot details in the background.
    They write about football results between matches.
    They join from the start and play along at home.
    They weigh the options before every move.
    They like old-school platformers and old school hip hop.
    They are veterans of the chat and welcome everybody.
    They ask how things are going and call out good plays.
    They want to learn how the drawing was made, and study it in silence.
    They drink a lot of coffee during the stream.
    They share their thoughts on the Discord of the stream.
    A relaxed evening that moved from strategy to art and ended with a raid.
    Chat voted for the next game in a poll, and the vote for the red team won.
    A new player from chat joined the lobby.
    The bridge collapsed twice, and chat would not let it go.
    12 viewers were here for the first time, 75 had been here before.
    Chat was at its busiest at 20:15 UTC, 1 h 5 m in: 120 messages from 45 chatters within a minute.
    They keep score of lost bets and celebrate small wins.
"""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize(("category", "text"), [(name, line) for name, text in SAID.items() for line in lines(text)])
def test_it_is_found_in_every_language(category, text):
    assert category in categories_of(text)


@pytest.mark.parametrize(("category", "text"), EVASIONS)
def test_it_is_found_however_it_is_written(category, text):
    assert categories_of(text) == [category]


@pytest.mark.parametrize("text", lines(FINE))
def test_what_summaries_are_made_of_is_none_of_it(text):
    assert categories_of(text) == []


def test_every_pattern_of_the_list_is_an_expression():
    words = [word for line in LIST.read_text().splitlines() if line[:1] not in "#[" for word in re.split(" {2,}", line)]
    assert len(words) > 400
    for word in words:
        re.compile(word)


@pytest.mark.parametrize("category", SAID)
def test_every_category_has_words_in_five_languages(category):
    part = LIST.read_text().split(f"[{category}]")[1].split("\n\n")[0]
    assert re.findall(r"^# (\w+)$", part, re.MULTILINE) == ["English", "German", "Spanish", "French", "Portuguese"]
