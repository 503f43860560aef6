import { describeReshard } from './reshard-cases.js';

/** One mover each. */
describeReshard(['redis-7.0', 'valkey-9.1']);
