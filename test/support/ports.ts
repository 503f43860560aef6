import { canListen } from '../../lab/ports.js';

/** Distance from a node's client port to its bus port, fixed by Redis. */
const BUS_OFFSET = 10_000;

/**
 * Client ports come from below 22 768, so that neither they nor their bus ports lie in the range that Linux hands out to outgoing
 * connections (32 768 and up): a port found free here is not taken by somebody's client a moment later.
 */
const LOWEST = 11_000;
const HIGHEST = 22_700;

const handedOut = new Set<string>();

/** Ports on `address` that are free together with their bus ports (port + 10000); never the same one twice in a process. */
export async function freePorts(count: number, address = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort(address));
  return ports;
}

export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    const key = `${address}:${port}`;
    if (handedOut.has(key)) continue;
    if ((await canListen(address, port)) && (await canListen(address, port + BUS_OFFSET))) {
      handedOut.add(key);
      return port;
    }
  }
  throw new Error(`no free pair of ports found on ${address}`);
}
