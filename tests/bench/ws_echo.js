// SPDX-License-Identifier: MIT
// ws_echo.js PORT BACKLOG: one process that echoes messages, with the package `ws`.
'use strict';
const {WebSocketServer} = require('ws');
const [port, backlog] = process.argv.slice(2).map(Number);
const server = new WebSocketServer({host: '127.0.0.1', port, backlog, perMessageDeflate: false});
server.on('connection', (client) => {
    client.on('message', (data, binary) => client.send(data, {binary}));
});
