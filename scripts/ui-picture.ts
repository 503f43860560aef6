import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';

// A picture of a run in the Temporal UI, for docs/, from Debian's chromium (`apt-get install chromium`):
//   npx tsx scripts/ui-picture.ts --ui http://127.0.0.1:8233 --cluster orders --view timeline --out docs/pictures/apply.png
// It shows the cluster's latest operation, as its timeline or as its details.

const BROWSER = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WIDTH = 1400;
/** Taller than what is wanted of any page: nothing has to be scrolled. */
const PAGE_HEIGHT = 4000;
const MARGIN = 40;
/** The UI loads the run, and asks a worker for its details. */
const SHOWN_WITHIN_MS = 20_000;

const VIEWS: Readonly<Record<string, (page: Page, path: string) => Promise<unknown>>> = {
  timeline: takeTimeline,
  details: takeDetails,
};

const { values } = parseArgs({
  options: {
    ui: { type: 'string', default: 'http://127.0.0.1:8233' },
    cluster: { type: 'string', default: '' },
    view: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
  },
});
const take = VIEWS[values.view];
if (take === undefined || values.cluster === '' || values.out === '') {
  throw new Error('--cluster NAME, --view timeline or details, and --out FILE are needed');
}

const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS });
try {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: PAGE_HEIGHT } });
  page.setDefaultTimeout(SHOWN_WITHIN_MS);
  const workflow = encodeURIComponent(`cluster/${values.cluster}/operation`);
  await page.goto(`${values.ui}/namespaces/default/workflows/${workflow}`);
  await take(page, values.out);
} finally {
  await browser.close();
}

/** The timeline alone, oldest first and whole: input and result above it hold the spec with its paths. */
async function takeTimeline(page: Page, path: string): Promise<void> {
  await page.getByRole('button', { name: 'Descending' }).click();
  await page.getByRole('button', { name: 'Minimized' }).click();
  const timeline = page.locator('svg', { hasText: 'exam of' });
  await timeline.waitFor();
  await timeline.screenshot({ path });
}

/** Name, state and times of the run, and the tab with its summary, its steps and how they stand. */
async function takeDetails(page: Page, path: string): Promise<void> {
  await page.getByTestId('user-metadata-tab').click();
  // Each markdown text has a frame of its own; the last one is that of the current details.
  const steps = page.frameLocator('iframe >> nth=-1').locator('li');
  await steps.first().waitFor();
  const lowest = await steps.last().boundingBox();
  if (lowest === null) throw new Error('the steps are not visible');
  const height = Math.ceil(lowest.y + lowest.height) + MARGIN;
  await page.screenshot({ path, clip: { x: 0, y: 0, width: WIDTH, height } });
}
