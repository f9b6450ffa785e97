// SPDX-License-Identifier: Apache-2.0

// The service worker: it answers with what was installed and with nothing newer. A browser takes a newer worker by itself,
// but that finds an app installed and leaves it alone: only the page replaces it, when its user says yes (version.js).

import { install, kept } from './files.js';

/** Every address of a page in this folder is the page. */
async function answer(request) {
	const file = request.mode === 'navigate' ? './' : request.url;
	return await kept(file) ?? fetch(request);
}

addEventListener('install', event => event.waitUntil(install()));
addEventListener('activate', event => event.waitUntil(clients.claim()));
addEventListener('fetch', event => {
	const { method, url } = event.request;
	// Knocks and what looks for a door go to other hosts, and on their way.
	if (method === 'GET' && url.startsWith(registration.scope)) event.respondWith(answer(event.request));
});
