// SPDX-License-Identifier: Apache-2.0

// The app's modules in a real Chromium, on a page that has nothing of LuCI but the shim.

import { mkdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { tests } from './modules.mjs';
import { scenePage } from './pages.mjs';

const ORIGIN = 'http://router.test';
const require = createRequire(import.meta.url);

const FLAGS = [ '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync' ];

// Milliseconds that a page is waited for: it is slow only because the machine has other work, too.
export const PATIENCE = 120000;

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 }, small: { width: 360, height: 740 } };

// The shell without a window begins pages in a quarter of the time: what surrounds a page is not tested here.
export function executable() {
	return [ process.env.CHROMIUM, '/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome' ].find(p => p && existsSync(p));
}

export function launch() {
	return chromium.launch({ executablePath: executable(), args: FLAGS });
}

// Opens the page. Any request to elsewhere and any error in the page is an error of the test, see verify.
export async function open(browser, { size = 'desktop', language, dark } = {}) {
	const context = await browser.newContext({ viewport: SIZES[size], colorScheme: dark ? 'dark' : 'light', timezoneId: 'UTC', locale: (language || 'en').replace('_', '-') });
	const page = await context.newPage();
	const wrong = [];

	page.setDefaultTimeout(PATIENCE);
	page.on('pageerror', e => wrong.push('error in the page: ' + e.message));
	page.on('console', m => m.type() == 'error' && wrong.push('console: ' + m.text()));
	await context.route('**/*', route => {
		if (route.request().url() == ORIGIN + '/')
			return route.fulfill({ contentType: 'text/html; charset=utf-8', body: scenePage(language, dark) });
		wrong.push('request to ' + route.request().url());

		return route.abort();
	});
	await page.goto(ORIGIN + '/');

	return {
		page,
		verify: () => assert.deepEqual(wrong, []),
		close: () => context.close()
	};
}

// All rules of axe that can be broken here; returns what is broken in words.
export async function accessibility(page, within) {
	await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });

	const result = await page.evaluate(w => axe.run(w || document), within);

	return result.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary.split('\n')[1]).join('; '));
}

// A picture for who looks at them, in the folder shots: npm run shots.
export async function screenshot(page, name) {
	if (!process.env.SHOTS)
		return;
	mkdirSync(join(tests, 'shots'), { recursive: true });
	await page.screenshot({ path: join(tests, 'shots', name + '.png'), fullPage: true });
}

// How far the page is wider than its window, in pixels.
export function overflow(page) {
	return page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
}
