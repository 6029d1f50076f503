/* SPDX-License-Identifier: Apache-2.0
 *
 * Namespaces of the field, by the name each specification gives them.
 */
#ifndef UTIL_XMPP_NS_H
#define UTIL_XMPP_NS_H

#define NS_CLIENT "jabber:client"
#define NS_SERVER "jabber:server"
#define NS_COMPONENT "jabber:component:accept" /* XEP-0114 */
#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION "urn:ietf:params:xml:ns:xmpp-session"
#define NS_LINK "urn:chappe:link:0" /* docs/link.md */
#define NS_XML "http://www.w3.org/XML/1998/namespace"

#define NS_ROSTER "jabber:iq:roster"
#define NS_ROSTER_VERSION "urn:xmpp:features:rosterver"
#define NS_PRE_APPROVAL "urn:xmpp:features:pre-approval"
#define NS_DATA_FORMS "jabber:x:data"			    /* XEP-0004 */
#define NS_LAST "jabber:iq:last"			    /* XEP-0012 */
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info" /* 0030 */
#define NS_DISCO_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_PRIVATE "jabber:iq:private"			    /* XEP-0049 */
#define NS_VCARD "vcard-temp"				    /* XEP-0054 */
#define NS_RSM "http://jabber.org/protocol/rsm"		    /* XEP-0059 */
#define NS_SEARCH "jabber:iq:search"			    /* XEP-0055 */
#define NS_REGISTER "jabber:iq:register"		    /* XEP-0077 */
#define NS_REGISTER_FEATURE "http://jabber.org/features/iq-register"
#define NS_VERSION "jabber:iq:version"			    /* XEP-0092 */
#define NS_CAPS "http://jabber.org/protocol/caps"	    /* XEP-0115 */
#define NS_VCARD_UPDATE "vcard-temp:x:update"		    /* XEP-0153 */
#define NS_PING "urn:xmpp:ping"				    /* XEP-0199 */
#define NS_TIME "urn:xmpp:time"				    /* XEP-0202 */
#define NS_DELAY "urn:xmpp:delay"			    /* XEP-0203 */
#define NS_BLOCKING "urn:xmpp:blocking"			    /* XEP-0191 */
#define NS_CHAT_STATES "http://jabber.org/protocol/chatstates" /* XEP-0085 */
#define NS_RECEIPTS "urn:xmpp:receipts"			    /* XEP-0184 */
#define NS_CONFERENCE "jabber:x:conference"		    /* XEP-0249 */
#define NS_FORWARD "urn:xmpp:forward:0"			    /* XEP-0297 */
#define NS_CHAT_MARKERS "urn:xmpp:chat-markers:0"	    /* XEP-0333 */
#define NS_HINTS "urn:xmpp:hints"			    /* XEP-0334 */
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"   /* XEP-0045 */
#define NS_PUBSUB "http://jabber.org/protocol/pubsub"	    /* XEP-0060 */
#define NS_PUBSUB_OWNER "http://jabber.org/protocol/pubsub#owner"
#define NS_PUBSUB_ERRORS "http://jabber.org/protocol/pubsub#errors"
#define NS_PUBSUB_EVENT "http://jabber.org/protocol/pubsub#event" /* 0060 */
#define NS_CARBONS "urn:xmpp:carbons:2"			    /* XEP-0280 */
#define NS_CSI "urn:xmpp:csi:0"				    /* XEP-0352 */
#define NS_STANZA_ID "urn:xmpp:sid:0"			    /* XEP-0359 */
#define NS_SM "urn:xmpp:sm:3"				    /* XEP-0198 */
#define NS_DIALBACK "jabber:server:dialback"		    /* XEP-0220 */
#define NS_DIALBACK_FEATURE "urn:xmpp:features:dialback"
#define NS_BIDI "urn:xmpp:bidi"				    /* XEP-0288 */
#define NS_BIDI_FEATURE "urn:xmpp:features:bidi"
#define NS_CHANNEL_BINDING "urn:xmpp:sasl-cb:0"		    /* XEP-0440 */
#define NS_STREAM_LIMITS "urn:xmpp:stream-limits:0"	    /* XEP-0478 */

#endif
