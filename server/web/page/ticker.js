// A clock for heartbeats. Browsers slow the timers of a page that is not in
// view down to one a minute, which is as long as the gateway's default
// heartbeat timeout; the timers of a worker keep their pace.
//
// In: the interval in milliseconds, or 0 to stop. Out: one message per tick.
"use strict";

let timer = 0;

onmessage = (event) => {
  clearInterval(timer);
  timer = event.data > 0 ? setInterval(() => postMessage(null), event.data) : 0;
};
