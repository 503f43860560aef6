import type { ClusterSpec, Duty } from './spec.js';

/** Redis users by duty. The application's name is the spec's choice; `admin` is the person's break-glass user. */
export function userName(spec: ClusterSpec, duty: Duty): string {
  switch (duty) {
    case 'operator':
      return 'redisforge-operator';
    case 'replication':
      return 'redisforge-replication';
    case 'admin':
      return 'admin';
    case 'app':
      return spec.users.app.name;
  }
}
