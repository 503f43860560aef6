import { createServer } from 'node:net';

/** Whether nobody listens there and we may. */
export function canListen(host: string, port: number): Promise<boolean> {
  return boundPort(host, port).then(
    () => true,
    () => false,
  );
}

/** A free port of the system's choice. */
export function freePort(host: string): Promise<number> {
  return boundPort(host, 0);
}

/** Listens for a moment; gives the port that it got. */
function boundPort(host: string, wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: wanted, exclusive: true }, () => {
      const bound = server.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : wanted;
      server.close(() => resolve(port));
    });
  });
}
