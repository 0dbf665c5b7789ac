"use strict";

const element = (id) => document.getElementById(id);
const often = 2000, seldom = 30000; // milliseconds

let paused = false, pause = often, timer = 0, answered = new Date();

function say(text) {
    if (element("news").textContent !== text)
        element("news").textContent = text;
}

// Where the reader is: what is open, what has the focus, how far it was scrolled.
function place(root) {
    const active = root.contains(document.activeElement) ? document.activeElement : null;

    return {
        open: Array.from(root.querySelectorAll("details[open]"), (each) => each.id),
        focus: active && (active.id || active.parentElement.id),
        left: Array.from(root.querySelectorAll(".wide"), (each) => [each.id, each.scrollLeft]),
    };
}

function restore(at) {
    for (const id of at.open)
        if (element(id))
            element(id).open = true;
    for (const [id, left] of at.left)
        if (element(id))
            element(id).scrollLeft = left;
    if (at.focus && element(at.focus))
        (element(at.focus).querySelector(":scope > summary") || element(at.focus)).focus({ preventScroll: true });
}

function put(fresh, id) {
    const from = fresh.getElementById(id), to = element(id);

    if (!from || from.innerHTML === to.innerHTML)
        return;
    const at = place(to);
    to.replaceChildren(...from.childNodes);
    restore(at);
}

async function look() {
    try {
        const answer = await fetch(`part${location.search}`, { cache: "no-store", signal: AbortSignal.timeout(10000) });

        if (!answer.ok)
            throw new Error(answer.statusText);
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!paused && getSelection().isCollapsed)
            ["findings", "live"].forEach((id) => put(fresh, id));
        answered = new Date();
        pause = often;
        say("");
    } catch {
        pause = Math.min(pause * 2, seldom);
        say(`not answered since ${answered.toLocaleTimeString()}`);
    }
}

function plan(wait) {
    clearTimeout(timer);
    if (!paused && !document.hidden)
        timer = setTimeout(() => look().then(() => plan(pause)), wait);
}

element("pause").hidden = false;
element("pause").onclick = () => {
    paused = !paused;
    element("pause").setAttribute("aria-pressed", paused);
    plan(0);
};
document.onvisibilitychange = () => plan(0);
plan(often);
