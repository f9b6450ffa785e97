/* where the settings live: {links: [{text, at}], probe, go: {"router door": URL}}, and the stamps of each key */
const http = location.protocol === 'http:';
const store = {
	/* any network can have the origin of an http: page: it must find no key */
	box: () => http ? sessionStorage : localStorage,
	read() { try { return JSON.parse(this.box().getItem('latchkey')) || {}; } catch { return {}; } },
	write(state) { try { this.box().setItem('latchkey', JSON.stringify(state)); return true; } catch { return false; } },
	/* they are no secret, and a key's stamps must outlive the tab */
	stamps(key) { try { return [].concat(JSON.parse(localStorage.getItem('latchkey last ' + key))); } catch { return []; } },
	keep(key, stamps) { try { localStorage.setItem('latchkey last ' + key, JSON.stringify(stamps)); } catch { /* then the router's answer is told by its events */ } },
};
