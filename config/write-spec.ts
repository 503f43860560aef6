import { Document, isMap, isScalar } from 'yaml';
import type { SpecDraft } from './schema.js';

const COMMENTS: Readonly<Record<string, string>> = {
  uid: ' Identity of the cluster for its whole life; the hosts keep it in their records.',
  shape: ' masters x (1 + replicasPerMaster) has to be the number of nodes below.',
  ssh: ' How this machine and the workers reach the hosts; a host may have its own.',
  hosts: ' zone: what fails together. A master and its replicas are kept in different zones.',
  secrets:
    ' References only: env:NAME, file:PATH or exec:/PROGRAM. The files belong on every machine that runs a worker, and not into Git.',
};

/** The YAML text of a spec, with short comments; every key of the draft, nothing added. */
export function writeSpec(draft: SpecDraft): string {
  const document = new Document(draft);
  document.commentBefore = ` A Redis Cluster, declared for RedisForge. All keys and their defaults: docs/spec.md`;
  if (isMap(document.contents)) {
    for (const { key } of document.contents.items) {
      if (!isScalar(key) || typeof key.value !== 'string') continue;
      const comment = COMMENTS[key.value];
      if (comment === undefined) continue;
      key.commentBefore = comment;
      key.spaceBefore = true;
    }
  }
  return document.toString({ lineWidth: 0 });
}
