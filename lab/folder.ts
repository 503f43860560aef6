import { join } from 'node:path';

/** Where things are in a lab's folder. */
export function labPaths(dir: string) {
  return {
    dir,
    /** The lab's own record; a folder with it is a lab. */
    record: join(dir, 'lab.json'),
    identity: join(dir, 'id_ed25519'),
    hosts: join(dir, 'hosts'),
    secrets: join(dir, 'secrets'),
    spec: join(dir, 'cluster.yaml'),
  };
}

/** Where sshd's files are in a host's own folder. */
export function hostFiles(home: string) {
  return {
    key: join(home, 'host_key'),
    authorizedKeys: join(home, 'authorized_keys'),
    config: join(home, 'sshd_config'),
    log: join(home, 'sshd.log'),
    root: join(home, 'root'),
  };
}
