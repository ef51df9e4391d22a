// What both scripts are told: the same work as the other clients do.
//
//   TARGET    host:port of the server
//   WORK      broadcast, echo or connect
//   CONNS     connections, over VUS virtual users
//   RATE      broadcast: publishes per second; echo: messages per second of all
//   SIZE      bytes of a message
//   SECONDS   how long
//   RAMP      seconds before the first message

const env = (name, otherwise) => __ENV[name] || otherwise;

export const work = env('WORK', 'broadcast');
export const target = env('TARGET', '127.0.0.1:9001');
export const conns = Number(env('CONNS', 1000));
export const vus = Number(env('VUS', conns));
export const rate = Number(env('RATE', 20));
export const seconds = Number(env('SECONDS', 20));
export const ramp = Number(env('RAMP', 2));
export const message = 'x'.repeat(Number(env('SIZE', 128)));
export const url = work === 'echo' ? `ws://${target}/echo` : `ws://${target}/ws?token=k6`;
export const period = (conns / rate) * 1000; // ms between two messages of a connection
export const life = (ramp + seconds) * 1000;

export const options = {
  discardResponseBodies: true,
  systemTags: ['error'],
  summaryTrendStats: ['max'],
  scenarios: {
    connections: { executor: 'per-vu-iterations', vus, iterations: 1, maxDuration: `${ramp + seconds + 30}s`, exec: 'connect' },
  },
};
if (work === 'broadcast') {
  options.scenarios.publishes = {
    executor: 'constant-arrival-rate', rate: Math.round(rate * 10), timeUnit: '10s', startTime: `${ramp}s`, duration: `${seconds}s`,
    preAllocatedVUs: 2, maxVUs: 20, exec: 'publish',
  };
}
