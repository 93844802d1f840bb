// Keeps an open page true: when something changes, the same page is fetched again and the sections that differ are
// put in place. Nothing a person has typed, opened or focused is lost. Without this file every page works as well.

const body = document.body;
const language = document.documentElement.lang;
const parser = new DOMParser();
const shown = new Map(); // section id → the markup the server last gave for it

for (const section of document.querySelectorAll("[data-live]")) shown.set(section.id, section.outerHTML);

// ── times ────────────────────────────────────────────────────────────────────────────────────────────────

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** How long ago or ahead, in the reader's words. */
function distance(at) {
  const seconds = (at - Date.now()) / 1000;
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(0, "minute");
}

function tellTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-when]")) {
    time.dataset.clock ??= time.textContent;
    time.textContent = `${time.dataset.clock} · ${distance(new Date(time.dateTime))}`;
  }
}

// ── putting a section in place ───────────────────────────────────────────────────────────────────────────

/** The fields of a section that are not as the server wrote them, by form and place. */
function touched(section) {
  const kept = [];
  for (const form of section.querySelectorAll("form[data-form]")) {
    [...form.elements].forEach((field, place) => {
      if (field.type === "hidden" || field.tagName === "BUTTON" || field.tagName === "FIELDSET") return;
      const isTouched = field.type === "checkbox" ? field.checked !== field.defaultChecked
        : field.tagName === "SELECT" ? [...field.options].some((o) => o.selected !== o.defaultSelected)
          : field.value !== field.defaultValue;
      const isFocused = field === document.activeElement;
      if (!isTouched && !isFocused) return;
      kept.push({
        form: form.dataset.form, name: field.name, nth: nth(form, field, place), isFocused, isTouched,
        value: field.value, checked: field.checked, from: field.selectionStart, to: field.selectionEnd,
      });
    });
  }
  return kept;
}

function nth(form, field, place) {
  return [...form.elements].slice(0, place).filter((other) => other.name === field.name).length;
}

function restore(section, kept) {
  for (const one of kept) {
    const form = section.querySelector(`form[data-form="${CSS.escape(one.form)}"]`);
    const field = form && [...form.elements].filter((other) => other.name === one.name)[one.nth];
    if (!field) continue;
    if (one.isTouched && field.type === "checkbox") field.checked = one.checked;
    else if (one.isTouched && field.type !== "file") field.value = one.value;
    if (one.isFocused) {
      field.focus({ preventScroll: true });
      if (one.from !== null && field.setSelectionRange && field.type !== "checkbox" && field.tagName !== "SELECT") {
        field.setSelectionRange(one.from, one.to);
      }
    }
  }
}

/** Somebody who is typing keeps their form, even if the page no longer offers it: the server answers then. */
function wouldLose(kept, fresh) {
  return kept.some((one) => one.isTouched && !fresh.querySelector(`form[data-form="${CSS.escape(one.form)}"]`));
}

function replace(id, fresh) {
  const present = document.getElementById(id);
  if (!present || shown.get(id) === fresh.outerHTML || present.querySelector('input[type="file"]')?.value) return;
  const kept = touched(present);
  if (wouldLose(kept, fresh)) return;
  shown.set(id, fresh.outerHTML);
  const open = new Map([...present.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const focused = present.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [...present.querySelectorAll(".timeline, .scroll")].map((one) => [one.scrollTop, one.scrollLeft]);
  const known = new Set([...present.querySelectorAll(".timeline li")].map((one) => one.value));
  present.replaceWith(fresh);
  for (const details of fresh.querySelectorAll("details[id]")) {
    if (open.has(details.id)) details.open = open.get(details.id);
  }
  restore(fresh, kept);
  if (focused && !fresh.contains(document.activeElement)) refocus(fresh, focused);
  [...fresh.querySelectorAll(".timeline, .scroll")].forEach((one, place) => {
    [one.scrollTop, one.scrollLeft] = scrolled[place] ?? [0, 0];
  });
  for (const entry of fresh.querySelectorAll(".timeline li")) entry.classList.toggle("is-new", !known.has(entry.value));
  tellTimes(fresh);
}

/** A button, link or summary that had the focus has it again. */
function refocus(fresh, before) {
  const form = before.closest("form[data-form]")?.dataset.form;
  const within = form ? fresh.querySelector(`form[data-form="${CSS.escape(form)}"]`) : fresh;
  const same = [...(within ?? fresh).querySelectorAll("a, button, summary")]
    .find((one) => one.tagName === before.tagName && one.textContent === before.textContent && one.value === before.value);
  same?.focus({ preventScroll: true });
}

let fetching = false;
let again = false;

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(body.dataset.here, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (!answer.ok) {
      say("lost");
      return;
    }
    const page = parser.parseFromString(await answer.text(), "text/html");
    const x = scrollX;
    const y = scrollY;
    const fresh = [...page.querySelectorAll("[data-live]")];
    const unknown = fresh.some((one) => !document.getElementById(one.id));
    for (const section of fresh) replace(section.id, document.adoptNode(section));
    // A section that was not there before: the whole page, unless somebody is writing on it.
    if (unknown && !isBusy()) location.replace(body.dataset.here);
    scrollTo(x, y);
    say("live");
  } catch {
    say("lost");
  } finally {
    fetching = false;
    if (again) {
      again = false;
      refresh();
    }
  }
}

function isBusy() {
  const refusal = document.getElementById("refusal");
  return refusal !== null || [...document.querySelectorAll("main form[data-form]")].some((form) => touched(form.parentElement).length);
}

// ── hearing of changes ───────────────────────────────────────────────────────────────────────────────────

const state = document.getElementById("live-state");
let stream = null;

function say(how) {
  state.hidden = how === "live";
  state.textContent = how === "live" ? "" : body.dataset.saidLost;
  body.dataset.live = how;
}

function listen() {
  if (stream || document.hidden) return;
  stream = new EventSource(body.dataset.stream);
  // What changed between the page and the stream is not told any more: look once.
  stream.addEventListener("open", refresh);
  stream.addEventListener("change", refresh);
  stream.addEventListener("error", () => {
    say("lost");
    if (stream?.readyState === EventSource.CLOSED) {
      stream = null;
      setTimeout(listen, 5000);
    }
  });
}

// A browser gives six connections to a host over HTTP/1.1: tabs nobody looks at give theirs back.
function onVisibility() {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    listen();
  }
}

if (body.dataset.stream) {
  listen();
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pagehide", () => { stream?.close(); stream = null; });
  addEventListener("pageshow", listen);
}

// ── small kindnesses ─────────────────────────────────────────────────────────────────────────────────────

// Pressed twice is meant once. The button that was pressed has to be sent, so it is switched off a moment later.
document.addEventListener("submit", (event) => {
  setTimeout(() => { for (const button of event.target.querySelectorAll("button")) button.disabled = true; });
});
addEventListener("pageshow", () => { for (const button of document.querySelectorAll("button:disabled")) button.disabled = false; });
document.getElementById("refusal")?.focus();
tellTimes();
setInterval(tellTimes, 30000);
// Ages and what is overdue change without anything happening.
if (body.dataset.stream) setInterval(() => { if (!document.hidden) refresh(); }, 60000);
