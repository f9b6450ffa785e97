// SPDX-License-Identifier: Apache-2.0

// Our views in Chromium as a LuCI page shows them, with a router made of answers: on the stand-in
// luci.js, or on LuCI's own files where LUCI_RESOURCES names the folder that has luci.js.

import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { app, tests } from './modules.mjs';
import { SIZES, THEME, translations } from './browser.mjs';

const ORIGIN = 'http://router.test';
const OURS = join(app, 'htdocs');
export const REAL = process.env.LUCI_RESOURCES;

const file = path => readFileSync(path, 'utf8');

function standIn(view, writer, language) {
	const { entries, plural } = translations(language);

	return `<script>${file(join(tests, 'shim.js'))}</script><script>globalThis.writer = ${writer};</script><script>${file(join(tests, 'luci.js'))}</script><script>
		const read = name => { const r = new XMLHttpRequest(); r.open('GET', '/luci-static/resources/' + name.replaceAll('.', '/') + '.js', false); r.send(); return r.responseText; };
		Object.assign(globalThis, Shim.translator(${JSON.stringify(entries).replaceAll('<', '\\u003c')}, n => ${plural}), { E: Luci.E, L: Luci.L });
		const need = Shim.loader(read, Luci.modules);
		const v = need(${JSON.stringify(view)});
		${view.startsWith('view.status') ? 'v.load().then(d => v.render(d)).then(n => Luci.content(document.getElementById("view"), n))' : 'Luci.show(v)'}.then(() => document.body.classList.add('ready'));</script>`;
}

function real(view, writer) {
	const env = { token: '0', media: '/m', resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '', requestpath: [], dispatchpath: [],
		pollinterval: 600, ubuspath: '/ubus', sessionid: '0', nodespec: { satisfied: true, readonly: !writer }, apply_rollback: 30, apply_holdoff: 1, apply_timeout: 5 };

	return `<script src="/luci-static/resources/cbi.js"></script><script src="/luci-static/resources/luci.js"></script><script>
		window.TR = {};
		window.L = new LuCI(${JSON.stringify(env)});
		${view.startsWith('view.status')
			? `document.addEventListener('luci-loaded', () => L.require('${view}').then(v => v.load().then(d => v.render(d)).then(n => L.dom.content(document.getElementById('view'), n))));`
			: `L.require('ui').then(ui => ui.instantiateView('${view.replace('view.', '').replaceAll('.', '/')}'));`}</script>`;
}

// The page of a view, as LuCI's server makes it.
export function viewPage(view, { writer = true, dark = false, language, live = false }) {
	return `<!doctype html><html lang="${(language || 'en').replace('_', '-')}" data-darkmode="${dark}"><head><meta charset="utf-8">
		<meta name="viewport" content="width=device-width, initial-scale=1"><title>LuCI</title><link rel="icon" href="data:,"><style>${THEME}
		.modal { max-width: 50em; margin: 1em auto; padding: 1em; border: 1px solid; overflow-wrap: anywhere; } td { border: 1px solid; padding: .4em; overflow-wrap: anywhere; }</style></head>
		<body><main id="maincontent"><h1>Router</h1><div id="view"></div></main>${live ? '<script>globalThis.live = true;</script>' : ''}${REAL ? real(view, writer) : standIn(view, writer, language)}</body></html>`;
}

// Opens a view. answer(object, method, args) returns what ubus says, { code } for an ubus error or
// { error } for one of JSON-RPC.
export async function openView(browser, view, { answer, writer = true, size = 'desktop', dark = false, language }) {
	const context = await browser.newContext({ viewport: SIZES[size], colorScheme: dark ? 'dark' : 'light', timezoneId: 'UTC', locale: (language || 'en').replace('_', '-') });
	const page = await context.newPage();
	const wrong = [];

	page.on('pageerror', e => wrong.push('error in the page: ' + e.message));
	page.on('dialog', d => { wrong.push('dialog: ' + d.message()); d.dismiss(); });
	await context.route('**/*', route => {
		const path = new URL(route.request().url()).pathname;

		if (path == '/')
			return route.fulfill({ contentType: 'text/html; charset=utf-8', body: viewPage(view, { writer, dark, language }) });
		if (/\/ubus\/?$/.test(path))
			return route.fulfill({ contentType: 'application/json', body: JSON.stringify(reply(JSON.parse(route.request().postData()), answer)) });

		const found = [ join(OURS, path), REAL && join(REAL, path.replace('/luci-static/resources/', '')) ].find(f => f && existsSync(f));

		if (found && path != '/evil')
			return route.fulfill({ contentType: path.endsWith('.css') ? 'text/css' : 'text/javascript', body: readFileSync(found) });
		if (/evil/.test(path))
			wrong.push('a text asked for ' + path);

		return route.fulfill({ status: 404, body: '' });
	});
	await page.goto(ORIGIN + '/');
	await page.locator(view.startsWith('view.status') ? '#view .lk' : '#view h2, .alert-message, #view .lk-error').first().waitFor();

	return { page, wrong, close: () => context.close() };
}

export function reply(request, answer) {
	if (Array.isArray(request))
		return request.map(r => reply(r, answer));
	if (request.method != 'call')
		return { jsonrpc: '2.0', id: request.id, result: {} };

	const [ , object, method, args ] = request.params;
	const a = answer(object, method, args || {}) ?? {};

	return a.rpc ? { jsonrpc: '2.0', id: request.id, error: a.rpc } : { jsonrpc: '2.0', id: request.id, result: a.code ? [ a.code ] : [ 0, a ] };
}
