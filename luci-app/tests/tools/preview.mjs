// SPDX-License-Identifier: Apache-2.0

// Serves the LuCI pages and the knock page to a browser of this machine, without a router: each view
// in each situation of browser/routers.js, and the scenes of browser/scenes.js.
//
//	node tools/preview.mjs [PORT]

import { createServer } from 'node:http';
import { readFileSync, existsSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { app, tests } from '../lib/modules.mjs';
import { scenePage, viewPage, reply } from '../lib/pages.mjs';
import { ROUTERS, routerOf } from '../browser/routers.js';

const PORT = 8060;
const VIEWS = [ 'overview', 'doors', 'clients', 'sequences', 'events', 'radar', 'stealth', 'settings' ].filter(v => existsSync(join(app, 'htdocs/luci-static/resources/view/latchkey', v + '.js')));
const LANGUAGES = [ '', 'de', 'zh_Hans' ];
const TYPES = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', png: 'image/png', json: 'application/json', webmanifest: 'application/manifest+json' };
const LINK = '#v=1&n=Home&h=home.example.net&a=127.0.0.1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web&i=nas_ssh:tcp:2022:ssh:NAS&i=router_web:tcp:443:https:Router';
const SCENES = readFileSync(join(tests, 'browser/scenes.js'), 'utf8');
const scenes = [ ...SCENES.matchAll(/^\t\t(\w+): (?:\w+|\(\)) => put\(/gm) ].map(m => m[1]);

// Every address of the preview, in groups: { title: [[ address, words ]] }.
export function addresses(options = '') {
	return {
		'The overview of a router': Object.keys(ROUTERS).map(r => [ `/view/overview?router=${r}${options}`, r ]),
		'The other pages': VIEWS.filter(v => v != 'overview').flatMap(v => [ [ `/view/${v}?router=quiet${options}`, v ], [ `/view/${v}?router=quiet&reader=1${options}`, v + ', for an account that may only look' ] ]),
		'Parts and dialogs': scenes.map(s => [ `/scene/${s}?${options.slice(1)}`, s ]),
		'The knock page': [ [ '/latchkey/' + LINK, 'with two doors' ], [ '/latchkey/', 'without a link' ] ]
	};
}

function index(url) {
	const lang = url.searchParams.get('lang') || '', dark = url.searchParams.get('dark') || '';
	const options = (lang && '&lang=' + lang) + (dark && '&dark=1');
	const link = (href, words) => `<a href="${href.replaceAll('&', '&amp;')}">${words}</a>`;

	return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Latchkey: preview</title>
		<style>body { font: 16px/1.6 sans-serif; max-width: 50em; margin: 1em auto; padding: 0 1em; color-scheme: light dark; }</style></head><body><h1>Latchkey without a router</h1>
		<p>In ${LANGUAGES.map(l => l == lang ? l || 'en' : link(`/?lang=${l}&dark=${dark}`, l || 'en')).join(', ')}; ${dark ? link('/?lang=' + lang, 'light') + ', dark' : 'light, ' + link(`/?lang=${lang}&dark=1`, 'dark')}.
		What a page saves goes nowhere. Reload a page after a change of its source.</p>
		${Object.entries(addresses(options)).map(([ title, list ]) => `<h2>${title}</h2><ul>${list.map(([ a, w ]) => `<li>${link(a, w)}</li>`).join('')}</ul>`).join('')}</body></html>`;
}

const routers = Object.create(null); // by name

// The router that the page of a request is about.
function routerFor(request) {
	const name = new URL(request.headers.referer || 'http://x/').searchParams.get('router');

	return routers[name] ??= routerOf(Object.hasOwn(ROUTERS, name) ? name : 'quiet');
}

async function body(request) {
	const parts = [];

	for await (const p of request)
		parts.push(p);

	return Buffer.concat(parts).toString();
}

// [ content, type ] of a request, or null.
async function content(request, url) {
	const [ , kind, name ] = url.pathname.split('/');
	const options = { language: url.searchParams.get('lang') || undefined, dark: url.searchParams.get('dark') == '1' };

	if (url.pathname == '/')
		return [ index(url), TYPES.html ];
	if (kind == 'ubus')
		return [ JSON.stringify(reply(JSON.parse(await body(request)), routerFor(request))), TYPES.json ];
	if (kind == 'view' && VIEWS.includes(name))
		return [ viewPage('view.latchkey.' + name, { ...options, writer: !url.searchParams.get('reader'), live: true }), TYPES.html ];
	if (kind == 'scene' && scenes.includes(name))
		return [ scenePage(options.language, options.dark).replace('</body>', () => `<script>${SCENES}; scenes[${JSON.stringify(name)}]();</script></body>`), TYPES.html ];

	const file = join(app, 'htdocs', normalize(decodeURIComponent(url.pathname)).replace(/\/$/, '/index.html'));

	return (file.startsWith(join(app, 'htdocs/')) && existsSync(file) && statSync(file).isFile()) ? [ readFileSync(file), TYPES[file.split('.').pop()] || 'application/octet-stream' ] : null;
}

/** Serves the preview to this machine; resolves to the server when it listens. Port 0 is any that is free. */
export function serve(port) {
	const server = createServer(async (request, response) => {
		const url = new URL(request.url, 'http://localhost');
		const found = await content(request, url).catch(err => [ err.stack, 'text/plain', 500 ]);
		const [ text, type, code ] = found || [ 'not found: ' + url.pathname, 'text/plain', 404 ];

		response.writeHead(code || 200, { 'Content-Type': type + '; charset=utf-8', 'Cache-Control': 'no-store' });
		response.end(text);
	});

	return new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server)));
}

if (process.argv[1]?.endsWith('preview.mjs')) {
	const server = await serve(+(process.argv[2] || PORT));
	const at = 'http://127.0.0.1:' + server.address().port;

	console.log(`Latchkey's pages without a router, until Ctrl-C:\n\n  ${at}/    all of them, with a choice of language and colours\n`);
	for (const [ title, list ] of Object.entries(addresses()))
		console.log(`${title}\n${list.map(([ a ]) => '  ' + at + a.split('#')[0].replace(/\?$/, '')).filter((a, i, all) => all.indexOf(a) == i).join('\n')}\n`);
}
