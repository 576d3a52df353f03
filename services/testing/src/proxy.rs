//! A network between a service and its database, which fails on command.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{self, Asked, Message};

/// A proxy in front of a PostgreSQL, which understands as much of the protocol as it takes to lose
/// the answer of a chosen statement. It ends with the runtime that it was made in.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    database: PgConnectOptions,
    network: Arc<Network>,
}

/// What a client sends until it waits for an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// The statement; empty when the client only asks whether the server is there.
    pub sql: String,
    /// Whether the statement is executed, or only prepared.
    pub executes: bool,
}

#[derive(Debug)]
struct Network {
    server: (String, u16),
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    trips: Vec<RoundTrip>,
    /// Whether nothing gets through.
    is_down: bool,
    /// How often that began: connections of before never get anything through again.
    downfalls: u64,
}

/// What happens to the next statement that has this text in it.
#[derive(Debug)]
struct Fault {
    statement: String,
    loses: Loss,
    happened: Happened,
}

#[derive(Debug, Clone, Copy)]
enum Loss {
    /// The server does not get it.
    Request,
    /// The server does it, and nobody hears of that.
    Answer,
}

/// Whether a fault has happened.
#[derive(Debug, Clone, Default)]
pub struct Happened(Arc<AtomicBool>);

impl Happened {
    /// Whether it has.
    pub fn yet(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Proxy {
    /// A proxy in front of the server of a database.
    pub async fn before(database: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = (database.get_host().to_owned(), database.get_port());
        let network = Arc::new(Network { server, state: Mutex::default() });
        tokio::spawn(accept(listener, network.clone()));
        Self { address, database: database.clone(), network }
    }

    /// How to connect to the database through the proxy.
    pub fn options(&self) -> PgConnectOptions {
        self.database.clone().host(&self.address.ip().to_string()).port(self.address.port())
    }

    /// The port of the proxy, on the loopback interface.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next statement with this text is done by the server, and its connection breaks before the
    /// answer gets through.
    pub fn lose_answer(&self, statement: &str) -> Happened {
        self.lose(statement, Loss::Answer)
    }

    /// The connection of the next statement with this text breaks before the server gets it.
    pub fn lose_request(&self, statement: &str) -> Happened {
        self.lose(statement, Loss::Request)
    }

    fn lose(&self, statement: &str, loses: Loss) -> Happened {
        let happened = Happened::default();
        let fault = Fault { statement: statement.to_owned(), loses, happened: happened.clone() };
        self.network.lock().faults.push(fault);
        happened
    }

    /// From now on nothing gets through, in either direction, and no connection is closed: as when a
    /// cable is pulled.
    pub fn vanish(&self) {
        let mut state = self.network.lock();
        state.is_down = true;
        state.downfalls += 1;
    }

    /// New connections get through again. Those of before do not, and are not told.
    pub fn reappear(&self) {
        self.network.lock().is_down = false;
    }

    /// What clients have sent and waited for since the last time, on all connections.
    pub fn take_round_trips(&self) -> Vec<RoundTrip> {
        std::mem::take(&mut self.network.lock().trips)
    }
}

impl Network {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that is in store for a statement.
    fn fault(&self, sql: &str) -> Option<(Loss, Happened)> {
        let faults = &mut self.lock().faults;
        let place = faults.iter().position(|fault| sql.contains(&fault.statement))?;
        let Fault { loses, happened, .. } = faults.remove(place);
        Some((loses, happened))
    }
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        let network = network.clone();
        // a connection that breaks is what this is for
        tokio::spawn(async move { Connection::serve(client, network).await.ok() });
    }
}

/// A connection of a client.
struct Connection {
    network: Arc<Network>,
    /// The downfalls before it was made; `None` when it was made during one.
    made_after: Option<u64>,
    exchange: Mutex<Exchange>,
}

/// How far client and server are.
#[derive(Debug, Default)]
struct Exchange {
    /// How often the server will say that it is ready.
    asked: u64,
    answered: u64,
    /// The answer that does not get through.
    lost: Option<(u64, Happened)>,
}

impl Connection {
    async fn serve(client: TcpStream, network: Arc<Network>) -> io::Result<()> {
        client.set_nodelay(true)?;
        let made_after = {
            let state = network.lock();
            (!state.is_down).then_some(state.downfalls)
        };
        let server = TcpStream::connect(network.server.clone()).await?;
        server.set_nodelay(true)?;
        let connection = Self { network, made_after, exchange: Mutex::default() };
        let (from_client, mut to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let (mut from_client, from_server) =
            (BufReader::new(from_client), BufReader::new(from_server));
        let first = loop {
            let first = wire::first(&mut from_client).await?;
            if !first.asks_for_tls() {
                break first;
            }
            to_client.write_all(b"N").await?;
        };
        // the end of one direction is that of both
        tokio::select! {
            ended = connection.requests(first, from_client, BufWriter::new(to_server)) => ended,
            ended = connection.answers(from_server, BufWriter::new(to_client)) => ended,
        }
    }

    fn is_dead(&self) -> bool {
        let state = self.network.lock();
        state.is_down || self.made_after != Some(state.downfalls)
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn requests(
        &self,
        first: Message,
        mut client: BufReader<OwnedReadHalf>,
        mut server: BufWriter<OwnedWriteHalf>,
    ) -> io::Result<()> {
        let mut message = first;
        // it is answered with readiness too
        self.exchange().asked = 1;
        let mut statements = Statements::default();
        loop {
            self.look_at(&message, &mut statements)?;
            forward(&message, &mut server, self.is_dead(), client.buffer().is_empty()).await?;
            match wire::next(&mut client).await? {
                Some(next) => message = next,
                None => return Ok(()),
            }
        }
    }

    /// Notes what a client asks for.
    ///
    /// # Errors
    ///
    /// The request shall not get through.
    fn look_at(&self, message: &Message, statements: &mut Statements) -> io::Result<()> {
        let (sql, asks) = match message.asked() {
            Asked::Parse { statement, sql } => {
                statements.trip = RoundTrip { sql: sql.clone(), executes: false };
                statements.prepared.insert(statement, sql);
                return Ok(());
            }
            Asked::Bind { statement } => {
                (statements.prepared.get(&statement).cloned().unwrap_or_default(), 0)
            }
            Asked::Query { sql } => (sql, 1),
            Asked::Sync => {
                self.exchange().asked += 1;
                self.network.lock().trips.push(std::mem::take(&mut statements.trip));
                return Ok(());
            }
            Asked::Execute | Asked::Other => return Ok(()),
        };
        let trip = RoundTrip { sql, executes: true };
        let fault = self.network.fault(&trip.sql);
        let mut exchange = self.exchange();
        match fault {
            Some((Loss::Request, happened)) => {
                happened.0.store(true, Ordering::SeqCst);
                return Err(io::Error::other("the request is lost"));
            }
            // told at the next readiness after those that were asked for before
            Some((Loss::Answer, happened)) => exchange.lost = Some((exchange.asked + 1, happened)),
            None => {}
        }
        exchange.asked += asks;
        match asks {
            0 => statements.trip = trip,
            _ => self.network.lock().trips.push(trip),
        }
        Ok(())
    }

    async fn answers(
        &self,
        mut server: BufReader<OwnedReadHalf>,
        mut client: BufWriter<OwnedWriteHalf>,
    ) -> io::Result<()> {
        while let Some(message) = wire::next(&mut server).await? {
            let is_lost = {
                let mut exchange = self.exchange();
                exchange.answered += u64::from(message.is_ready());
                let Exchange { answered, lost, .. } = &*exchange;
                match lost {
                    Some((number, happened)) if answered == number => {
                        happened.0.store(true, Ordering::SeqCst);
                        return Err(io::Error::other("the answer is lost"));
                    }
                    Some((number, _)) => answered + 1 == *number && !message.is_ready(),
                    None => false,
                }
            };
            let is_lost = is_lost || self.is_dead();
            forward(&message, &mut client, is_lost, server.buffer().is_empty()).await?;
        }
        Ok(())
    }
}

/// What a client has prepared, and what it is about to send.
#[derive(Default)]
struct Statements {
    prepared: HashMap<String, String>,
    trip: RoundTrip,
}

async fn forward(
    message: &Message,
    to: &mut (impl AsyncWrite + Unpin),
    is_lost: bool,
    is_last: bool,
) -> io::Result<()> {
    if !is_lost {
        to.write_all(&message.bytes).await?;
    }
    if is_last {
        to.flush().await?;
    }
    Ok(())
}
