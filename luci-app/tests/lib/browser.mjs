// SPDX-License-Identifier: Apache-2.0

// The app's modules in a real Chromium, on a page that has nothing of LuCI but the shim.

import { readFileSync, mkdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { app, tests, source, moduleNames, catalog } from './modules.mjs';

const ORIGIN = 'http://router.test';
const PURE = moduleNames().filter(n => !/^'require (ui|uci|rpc|uqr|latchkey\.(api|grid|page|store)( as \w+)?)';$/m.test(source(n)));
const require = createRequire(import.meta.url);

const FLAGS = [ '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync' ];

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 }, small: { width: 360, height: 740 } };

export function executable() {
	return [ process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome' ].find(p => p && existsSync(p));
}

export function launch() {
	return chromium.launch({ executablePath: executable(), args: FLAGS });
}

// Colours as a theme of LuCI sets them, in light and dark.
export const THEME = `
	:root { --border-color-medium: #ccc; --text-color-high: #404040; color-scheme: light; }
	:root[data-darkmode="true"] { --border-color-medium: #484848; --text-color-high: #bfbfbf; color-scheme: dark; }
	body { margin: 1em; font: 13px/18px sans-serif; color: #404040; background: #fff; }
	:root[data-darkmode="true"] body { color: #bfbfbf; background: #222; }
	.btn { font: inherit; padding: 4px 14px; border: 1px solid; border-radius: 4px; background: none; color: inherit; }
	.cbi-value { display: flex; flex-wrap: wrap; gap: 1em; margin: 1em 0; } .cbi-value-title { min-width: 11em; }
	.cbi-value[hidden] { display: none; }`;

// The texts of a language and its plural as an expression of n; the sources' own English without one.
export function translations(language) {
	const entries = {};

	if (!language)
		return { entries, plural: 'n != 1' };

	const po = catalog(language);

	po.entries.forEach(e => entries[(e.context != null ? e.context + '\u0001' : '') + e.id] = e.plural ? e.translations : e.translations[0]);

	return { entries, plural: po.header['Plural-Forms'].match(/plural=([^;]+);/)[1] };
}

function html(language, dark) {
	const { entries, plural } = translations(language);
	const sources = Object.fromEntries(PURE.map(n => [ n, source(n) ]));
	const data = JSON.stringify({ entries, sources }).replaceAll('<', '\\u003c');

	return `<!doctype html><html lang="${(language || 'en').replace('_', '-')}" data-darkmode="${!!dark}"><head><meta charset="utf-8">
		<meta name="viewport" content="width=device-width, initial-scale=1"><title>Latchkey</title><link rel="icon" href="data:,">
		<style>${THEME}</style><style>${readFileSync(join(app, 'htdocs/luci-static/resources/view/latchkey/latchkey.css'), 'utf8')}</style>
		<script>${readFileSync(join(tests, 'shim.js'), 'utf8')}</script></head><body><main><h1>Router</h1><h2>Latchkey</h2><div id="root" class="lk"></div></main>
		<script>
			const data = ${data};
			Object.assign(globalThis, Shim.translator(data.entries, n => ${plural}));
			globalThis.need = Shim.loader(name => data.sources[name]);
			globalThis.E = need('latchkey.element').make;
			globalThis.root = document.getElementById('root');
			globalThis.calls = [];
		</script></body></html>`;
}

// Opens the page. Any request to elsewhere and any error in the page is an error of the test, see verify.
export async function open(browser, { size = 'desktop', language, dark } = {}) {
	const context = await browser.newContext({ viewport: SIZES[size], colorScheme: dark ? 'dark' : 'light', timezoneId: 'UTC', locale: (language || 'en').replace('_', '-') });
	const page = await context.newPage();
	const wrong = [];

	page.on('pageerror', e => wrong.push('error in the page: ' + e.message));
	page.on('console', m => m.type() == 'error' && wrong.push('console: ' + m.text()));
	await context.route('**/*', route => {
		if (route.request().url() == ORIGIN + '/')
			return route.fulfill({ contentType: 'text/html; charset=utf-8', body: html(language, dark) });
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

export async function screenshot(page, name) {
	mkdirSync(join(tests, 'shots'), { recursive: true });
	await page.screenshot({ path: join(tests, 'shots', name + '.png'), fullPage: true });
}

// How far the page is wider than its window, in pixels.
export function overflow(page) {
	return page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
}
