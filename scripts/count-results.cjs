// Adds up the checks and the test suites that scripts/test.sh ran, names every failure, and ends with the one line that counts.
const { existsSync, readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join, relative } = require('node:path');

const results = process.argv[2];
/** They need a container engine; see scripts/test.sh. */
const CONTAINER_TESTS = join('test', 'containers', '/');

function checks() {
  const files = readdirSync(join(results, 'checks'));
  const ran = files.filter((file) => file.endsWith('.log')).map((file) => file.slice(0, -'.log'.length));
  const failed = ran.filter((name) => files.includes(`${name}.failed`));
  return {
    passed: ran.length - failed.length,
    failures: failed.map((name) => ({
      name: `check ${name}`,
      text: readFileSync(join(results, 'checks', `${name}.log`), 'utf8'),
    })),
  };
}

/** Every test file on disk has to be in the report: one that vitest did not pick up must not be missed in silence. */
function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative('.', join(entry.parentPath, entry.name)));
}

/** Why the container tests were left out, or `null` where they were to run. */
function leftOut() {
  const file = join(results, 'containers.left-out');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
}

function firstLine(text) {
  return text.split('\n', 1)[0];
}

/** The beginning of why each try failed; the whole stands far above, where the runner told it, and a log may be cut. */
function reasons(messages) {
  return messages.map((message) => message.split('\n').slice(0, 3).join('\n').slice(0, 600)).join('\n');
}

function outcomes(report) {
  let passed = 0;
  const failures = [];
  const seen = new Set();
  for (const { name: path, status, message, assertionResults } of report.testResults) {
    const file = relative('.', path);
    seen.add(file);
    for (const test of assertionResults) {
      if (test.status === 'passed') {
        passed += 1;
        // Of a test that passed in the end, these are of the tries before.
        if (test.failureMessages.length > 0)
          console.error(`SECOND TRY ${file}: ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
      } else {
        const text = reasons(test.failureMessages);
        failures.push({ name: `${file}: ${test.fullName} (${test.status})`, text });
      }
    }
    if (
      assertionResults.length === 0 ||
      (status === 'failed' && assertionResults.every((test) => test.status === 'passed'))
    ) {
      failures.push({ name: `${file}: did not run to its end`, text: message ?? '' });
    }
  }
  const expected = testFiles('test').filter((file) => leftOut() === null || !file.startsWith(CONTAINER_TESTS));
  for (const file of expected) {
    if (!seen.has(file)) failures.push({ name: `${file}: was not run`, text: '' });
  }
  return { passed, failures };
}

function tests() {
  const exitFile = join(results, 'vitest.exit');
  if (!existsSync(exitFile)) return { passed: 0, failures: [] };
  const exitCode = readFileSync(exitFile, 'utf8').trim();
  const reportFile = join(results, 'vitest.json');
  if (!existsSync(reportFile))
    return { passed: 0, failures: [{ name: `the tests did not run (exit code ${exitCode})`, text: '' }] };
  const counted = outcomes(JSON.parse(readFileSync(reportFile, 'utf8')));
  if (counted.passed === 0) counted.failures.push({ name: 'no test passed', text: '' });
  if (exitCode !== '0' && counted.failures.length === 0) {
    counted.failures.push({
      name: `the tests ended with exit code ${exitCode}: see the unhandled error above`,
      text: '',
    });
  }
  return counted;
}

const suites = [checks(), tests()];
const passed = suites.reduce((sum, suite) => sum + suite.passed, 0);
const failures = suites.flatMap((suite) => suite.failures);
for (const { name, text } of failures) {
  console.error(`FAILED ${name}`);
  if (text !== '') console.error(text.trimEnd().replace(/^/gm, '    '));
}
if (leftOut() !== null) {
  console.error(
    `LEFT OUT, neither passed nor failed: ${testFiles(CONTAINER_TESTS).length} files of container tests; ${leftOut().split('\n').join(' ')}`,
  );
}
const line = `${passed} passed, ${failures.length} failed`;
writeFileSync(join(results, 'summary'), `${line}\n`);
console.log(line);
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1;
