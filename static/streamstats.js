// What the pages can do without: times in the reader's own zone, numbers and names that move, and pictures that say
// the minute under the pointer.
"use strict";

const count = new Intl.NumberFormat("en");

// As streamstats/lib/numbers.py does it.
function compact(number) {
  if (number < 1e5) return count.format(number);
  if (number < 999500) return `${(number / 1e3).toFixed(0)}\u00a0k`;
  if (number < 9.995e8) return `${Number((number / 1e6).toPrecision(3))}\u00a0M`;
  return `${(number / 1e9).toFixed(2)}\u00a0bn`;
}

const zones = {
  moment: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }),
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }),
  hour: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }),
  short: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
};

function localise(part) {
  for (const time of part.querySelectorAll("[data-as]")) {
    const format = zones[time.dataset.as];
    if (format) time.textContent = format.format(new Date(time.dateTime || time.dataset.at));
  }
}

localise(document);

// Where a row of links is wider than the screen, the link of this page is in sight.
for (const current of document.querySelectorAll(":is(.trail, .ranges ul, .choice) [aria-current]")) {
  const row = current.closest(".trail, ul, .choice");
  const beyond = current.getBoundingClientRect().right - row.getBoundingClientRect().right;
  if (beyond > 0) row.scrollLeft += beyond;
}

for (const note of document.querySelectorAll("[data-zone]")) note.textContent = "Times are yours; the exact UTC is under the pointer.";

function show(element, number) {
  const text = compact(number);
  if (element.textContent === text) return;
  element.textContent = text;
  if (element.tagName === "DATA") {
    element.value = number;
    element.title = count.format(number);
  }
  const nouns = element.closest("[data-channel]").querySelectorAll(`[data-noun="${element.dataset.live}"]`);
  for (const noun of nouns) noun.textContent = number === 1 ? noun.dataset.one : noun.dataset.many;
  element.classList.remove("moved");
  void element.offsetWidth; // lets the animation start again
  element.classList.add("moved");
}

// The last sixty minutes. The line moves left as minutes pass, whether or not anybody writes.
class Pulse {
  constructor(svg) {
    const [messages, chatters] = [svg.dataset.messages, svg.dataset.chatters].map((text) => text.split(" "));
    this.line = svg.querySelector(".line");
    this.area = svg.querySelector(".area");
    this.width = svg.viewBox.baseVal.width;
    this.height = svg.viewBox.baseVal.height;
    this.first = Number(svg.dataset.first) / 60;
    // "-" is a minute that was not received.
    this.minutes = messages.map((count, index) => ({ messages: count === "-" ? null : Number(count), chatters: Number(chatters[index]) }));
  }

  turn(now) {
    const behind = Math.floor(now / 60000) - (this.first + this.minutes.length - 1);
    for (let step = 0; step < Math.min(behind, this.minutes.length); step++) {
      this.minutes.shift();
      this.minutes.push({ messages: 0, chatters: 0 });
    }
    if (behind > 0) this.first += behind;
  }

  take(minute) {
    const index = Math.floor(Date.parse(minute.at) / 60000) - this.first;
    if (index >= 0 && index < this.minutes.length) this.minutes[index] = minute;
  }

  // The line ends in the estimate, or it would fall to nothing at the start of every minute.
  draw(now) {
    const counts = [...this.minutes.slice(0, -1).map((minute) => minute.messages), this.rate(now)];
    const highest = Math.max(1, ...counts); // a minute not received is null, and null is less
    const step = this.width / (counts.length - 1);
    let [line, area, pen] = ["", "", ""];
    counts.forEach((count, index) => {
      const x = index * step;
      if (count !== null) {
        if (!pen) area += `M${x},${this.height} `;
        pen = `${x},${this.height * (1 - count / highest)} `;
        line += (index && counts[index - 1] !== null ? "" : "M") + pen;
        area += pen;
      }
      if (pen && (counts[index + 1] ?? null) === null) {
        area += `${x},${this.height}Z`;
        pen = "";
      }
    });
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }

  // As streamstats/lib/pulse.py does it: the rest of this minute is taken from the one before.
  rate(now) {
    const [before, present] = this.minutes.slice(-2);
    return Math.round(before.messages * (1 - (now % 60000) / 60000) + present.messages);
  }

  chatters() {
    return Math.max(...this.minutes.slice(-2).map((minute) => minute.chatters));
  }
}

function emoteItem(emote, emotes) {
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { className: "emote-link", href: `${emotes}${emote.id}/` });
  let face = document.createElement("span");
  if (emote.url) {
    face = Object.assign(document.createElement("img"), { src: emote.url, alt: emote.name, width: 32, height: 32 });
  } else {
    face.className = "glyph";
    face.textContent = emote.name;
  }
  face.title = `${emote.name} · ${emote.provider}`;
  const uses = Object.assign(document.createElement("span"), { className: "uses", textContent: compact(emote.uses) });
  link.append(face, uses);
  item.append(link);
  return item;
}

// The part of the page that names people is fetched whole, a moment after news and at once when somebody chose.
class Now {
  constructor(box) {
    this.box = box;
    this.asked = Date.now();
    this.waiting = null;
    this.turn = 0;
  }

  // At most every five seconds, however much happens.
  news() {
    this.waiting ??= setTimeout(() => this.fetch(), Math.max(0, this.asked + 5000 - Date.now()));
  }

  async fetch(again = 5000) {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.asked = Date.now();
    const turn = ++this.turn;
    try {
      const answer = await fetch(this.box.dataset.now, { cache: "no-cache" });
      if (!answer.ok) throw new Error(answer.status);
      const html = await answer.text();
      if (turn === this.turn) this.show(html); // else a newer answer is on its way, or here already
    } catch {
      this.waiting ??= setTimeout(() => this.fetch(again), again);
    }
  }

  show(html) {
    if (html === this.shown) return;
    this.shown = html;
    const focused = this.box.contains(document.activeElement) && document.activeElement.getAttribute("href");
    this.box.innerHTML = html;
    localise(this.box);
    if (focused) [...this.box.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  }
}

function follow(feed) {
  const state = feed.querySelector("[data-feed-state]");
  const pulse = feed.querySelector("[data-pulse]") && new Pulse(feed.querySelector("[data-pulse]"));
  const emotes = feed.querySelector("[data-live-emotes]");
  const box = document.querySelector("[data-now]");
  const now = box && new Now(box);
  const source = new EventSource(feed.dataset.feed);
  let wasCut = false;

  function say(text, on) {
    state.hidden = false;
    state.textContent = text;
    state.classList.toggle("on", on);
  }

  function beat(minute) {
    const at = Date.now();
    pulse.turn(at);
    if (minute) pulse.take(minute);
    pulse.draw(at);
    show(feed.querySelector('[data-live="rate"]'), pulse.rate(at));
    show(feed.querySelector('[data-live="chatters"]'), pulse.chatters());
  }

  source.onopen = () => {
    say("updating live", true);
    if (wasCut) now?.fetch(1000); // somebody may have chosen meanwhile
  };
  source.onerror = () => {
    wasCut = true;
    say(source.readyState === EventSource.CLOSED ? "load the page again for newer numbers" : "connecting again…", false);
  };
  source.addEventListener("refresh", () => now?.fetch(1000));
  source.addEventListener("live", (event) => {
    const news = JSON.parse(event.data);
    for (const part of document.querySelectorAll(`[data-channel="${news.channel}"] [data-live*="."]`)) {
      const [group, name] = part.dataset.live.split(".");
      if (news[group] && name in news[group]) show(part, news[group][name]);
    }
    for (const heard of document.querySelectorAll(`[data-channel="${news.channel}"] [data-heard]`)) heard.textContent = "just now";
    if (pulse) beat(news.minute);
    now?.news();
    if (emotes) {
      emotes.replaceChildren(...news.emotes.map((emote) => emoteItem(emote, emotes.dataset.liveEmotes)));
      feed.querySelector("[data-no-emotes]").hidden = news.emotes.length > 0;
    }
  });
  if (pulse) setInterval(beat, 5000);
}

for (const feed of document.querySelectorAll("[data-feed]")) follow(feed);

// The picture of a stream: a line under the pointer, and what there is to say about its minute.
function read(evening) {
  const picture = evening.querySelector(".picture");
  const reading = evening.querySelector("[data-reading]");
  const [viewers, rates] = [evening.dataset.viewers, evening.dataset.rates].map((text) => text?.split(" "));
  const [top, foot] = (picture.dataset.cross ?? "28 290").split(" ");
  const cross = document.createElementNS(picture.namespaceURI, "line");
  const when = Number(evening.dataset.length) > 86400 ? zones.short : zones.hour;
  reading.hidden = false;
  for (const [name, value] of [["class", "cross"], ["y1", top], ["y2", foot]]) cross.setAttribute(name, value);

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const share = Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width));
    const index = Math.floor((share * Number(evening.dataset.length)) / Number(evening.dataset.step));
    const at = new Date((Number(evening.dataset.start) + index * Number(evening.dataset.step)) * 1000);
    for (const end of ["x1", "x2"]) cross.setAttribute(end, `${share * 100}%`);
    picture.append(cross);
    const said = [when.format(at)];
    if (viewers && viewers[index] !== "-") said.push(`${count.format(viewers[index])} viewers`);
    said.push(rates[index] === "-" ? "chat not received" : `${count.format(rates[index])} message${rates[index] === "1" ? "" : "s"} a minute`);
    reading.textContent = said.join(" · ");
  });
  picture.addEventListener("pointerleave", () => {
    cross.remove();
    reading.textContent = "";
  });
}

for (const evening of document.querySelectorAll("[data-evening]")) read(evening);

// What is being made for somebody tells by itself how far it is.
function renew(part) {
  setTimeout(async () => {
    const answer = await fetch(location.href).catch(() => null);
    const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const newer = page && page.getElementById(part.id);
    if (newer && !newer.dataset.renew) return location.reload(); // it is done: there may be more to do on the page now
    if (newer) part.replaceChildren(...newer.childNodes);
    renew(part);
  }, Number(part.dataset.renew));
}

for (const part of document.querySelectorAll("[data-renew]")) renew(part);

// A summary that is being written for somebody comes in sentence by sentence.
function followComing(box) {
  const state = box.querySelector("[data-coming-state]");
  const claims = box.querySelector("[data-coming-claims]");
  const source = new EventSource(box.dataset.coming);

  function say(text) {
    state.textContent = text;
  }

  source.addEventListener("reading", (event) => {
    const read = JSON.parse(event.data).messages;
    say(`Reading ${count.format(read)} message${read === 1 ? "" : "s"}.`);
  });
  source.addEventListener("again", () => claims.replaceChildren());
  source.addEventListener("claim", (event) => {
    const item = document.createElement("li");
    item.textContent = JSON.parse(event.data).text;
    claims.append(item);
  });
  source.addEventListener("done", () => {
    source.close();
    location.reload();
  });
  source.addEventListener("failed", (event) => {
    source.close();
    claims.replaceChildren();
    say(`It was not written. ${JSON.parse(event.data).reason}`);
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) say("Load the page again to see how far it is.");
  };
}

for (const box of document.querySelectorAll("[data-coming]")) followComing(box);
