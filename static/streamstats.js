// Three things the pages can do without: times in the reader's own zone, numbers that move, and a picture that says
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

for (const time of document.querySelectorAll("[data-as]")) {
  const format = zones[time.dataset.as];
  if (format) time.textContent = format.format(new Date(time.dateTime || time.dataset.at));
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

function emoteItem(emote) {
  const item = document.createElement("li");
  let face = document.createElement("span");
  if (emote.url) {
    face = Object.assign(document.createElement("img"), { src: emote.url, alt: emote.name, width: 32, height: 32 });
  } else {
    face.className = "glyph";
    face.textContent = emote.name;
  }
  face.title = `${emote.name} · ${emote.provider}`;
  const uses = Object.assign(document.createElement("span"), { className: "uses", textContent: compact(emote.uses) });
  item.append(face, uses);
  return item;
}

function follow(feed) {
  const state = feed.querySelector("[data-feed-state]");
  const pulse = feed.querySelector("[data-pulse]") && new Pulse(feed.querySelector("[data-pulse]"));
  const emotes = feed.querySelector("[data-live-emotes]");
  const source = new EventSource(feed.dataset.feed);

  function say(text, on) {
    state.hidden = false;
    state.textContent = text;
    state.classList.toggle("on", on);
  }

  function beat(minute) {
    const now = Date.now();
    pulse.turn(now);
    if (minute) pulse.take(minute);
    pulse.draw(now);
    show(feed.querySelector('[data-live="rate"]'), pulse.rate(now));
    show(feed.querySelector('[data-live="chatters"]'), pulse.chatters());
  }

  source.onopen = () => say("updating live", true);
  source.onerror = () => say("connecting again…", false);
  source.addEventListener("live", (event) => {
    const news = JSON.parse(event.data);
    for (const part of document.querySelectorAll(`[data-channel="${news.channel}"] [data-live*="."]`)) {
      const [group, name] = part.dataset.live.split(".");
      if (news[group] && name in news[group]) show(part, news[group][name]);
    }
    for (const heard of document.querySelectorAll(`[data-channel="${news.channel}"] [data-heard]`)) heard.textContent = "just now";
    if (pulse) beat(news.minute);
    if (emotes) {
      emotes.replaceChildren(...news.emotes.map(emoteItem));
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
  const [viewers, rates] = [evening.dataset.viewers, evening.dataset.rates].map((text) => text.split(" "));
  const cross = document.createElementNS(picture.namespaceURI, "line");
  const when = Number(evening.dataset.length) > 86400 ? zones.short : zones.hour;
  reading.hidden = false;
  for (const [name, value] of [["class", "cross"], ["y1", 28], ["y2", 290]]) cross.setAttribute(name, value);

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const share = Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width));
    const index = Math.floor((share * Number(evening.dataset.length)) / Number(evening.dataset.step));
    const at = new Date((Number(evening.dataset.start) + index * Number(evening.dataset.step)) * 1000);
    for (const end of ["x1", "x2"]) cross.setAttribute(end, `${share * 100}%`);
    picture.append(cross);
    const said = [when.format(at)];
    if (viewers[index] !== "-") said.push(`${count.format(viewers[index])} viewers`);
    said.push(rates[index] === "-" ? "chat not received" : `${count.format(rates[index])} messages a minute`);
    reading.textContent = said.join(" · ");
  });
  picture.addEventListener("pointerleave", () => {
    cross.remove();
    reading.textContent = "";
  });
}

for (const evening of document.querySelectorAll("[data-evening]")) read(evening);
