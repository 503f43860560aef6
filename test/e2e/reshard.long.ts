import { describeReshard } from './reshard-cases.js';

/** The engines that `make test` leaves out. */
describeReshard(['redis-8.6', 'valkey-8.1']);
