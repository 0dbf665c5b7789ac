"use strict";

const element = (id) => document.getElementById(id);
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const counts = { sent: 0, received: 0 };
const kept = 1000; // lines of the log

const socket = new WebSocket(`${scheme}//${location.host}/`);
socket.binaryType = "arraybuffer";

function state(text) {
    element("state").textContent = text;
}

function log(kind, text) {
    const list = element("log");
    const line = document.createElement("li");

    line.className = kind;
    line.textContent = text;
    list.append(line);
    while (list.childElementCount > kept)
        list.firstElementChild.remove();
    line.scrollIntoView({ block: "end" });
}

function count(kind) {
    counts[kind] += 1;
    element(kind).textContent = counts[kind];
}

function shown(data) {
    if (typeof data === "string")
        return data;
    const bytes = new Uint8Array(data);
    const hex = Array.from(bytes.slice(0, 64), (byte) => byte.toString(16).padStart(2, "0"));

    return `${bytes.length} bytes: ${hex.join(" ")}${bytes.length > 64 ? " ..." : ""}`;
}

function send(data) {
    if (socket.readyState !== WebSocket.OPEN)
        return;
    socket.send(data);
    count("sent");
    log("sent", shown(typeof data === "string" ? data : data.buffer));
    element("text").value = "";
}

socket.onopen = () => state(`open: ${socket.url}`);
socket.onmessage = (event) => {
    count("received");
    log("received", shown(event.data));
};
socket.onclose = (event) => {
    const text = `closed: ${event.code}${event.reason ? ` ${event.reason}` : ""}`;

    state(text);
    log("end", text);
};
state("connecting");

element("send").onsubmit = (event) => {
    event.preventDefault();
    send(element("text").value);
};
element("as-binary").onclick = () => send(new TextEncoder().encode(element("text").value));
element("close").onclick = () => socket.close(1000);
