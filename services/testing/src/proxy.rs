//! A network between a service and its database, which fails on command.

use std::collections::{HashMap, VecDeque};
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

/// What a client sends until it waits for an answer, and is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// The statement.
    pub sql: String,
    /// Whether the statement is executed, or only prepared.
    pub executes: bool,
    /// How many bytes the answer has.
    pub answered: usize,
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

    /// What clients have asked since the last time, on all connections: whether the server is there does
    /// not count.
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
    /// What the server has not answered yet, in the order of its answers. It says of each that it is
    /// ready for the next, first of all of the beginning.
    asked: VecDeque<RoundTrip>,
    /// How many of these are answered before the one whose answer does not get through.
    lost: Option<(usize, Happened)>,
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
        self.exchange().asked.push_back(RoundTrip::default());
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
        let (sql, is_whole) = match message.asked() {
            Asked::Parse { statement, sql } => {
                statements.trip = RoundTrip { sql: sql.clone(), ..RoundTrip::default() };
                statements.prepared.insert(statement, sql);
                return Ok(());
            }
            Asked::Bind { statement } => {
                (statements.prepared.get(&statement).cloned().unwrap_or_default(), false)
            }
            Asked::Query { sql } => (sql, true),
            Asked::Sync => {
                self.exchange().asked.push_back(std::mem::take(&mut statements.trip));
                return Ok(());
            }
            Asked::Execute | Asked::Other => return Ok(()),
        };
        let fault = self.network.fault(&sql);
        let trip = RoundTrip { sql, executes: true, answered: 0 };
        let mut exchange = self.exchange();
        match fault {
            Some((Loss::Request, happened)) => {
                happened.0.store(true, Ordering::SeqCst);
                return Err(io::Error::other("the request is lost"));
            }
            Some((Loss::Answer, happened)) => {
                exchange.lost = Some((exchange.asked.len(), happened));
            }
            None => {}
        }
        match is_whole {
            true => exchange.asked.push_back(trip),
            false => statements.trip = trip,
        }
        Ok(())
    }

    async fn answers(
        &self,
        mut server: BufReader<OwnedReadHalf>,
        mut client: BufWriter<OwnedWriteHalf>,
    ) -> io::Result<()> {
        while let Some(message) = wire::next(&mut server).await? {
            let is_lost = self.note_answer(&message)?;
            let is_lost = is_lost || self.is_dead();
            forward(&message, &mut client, is_lost, server.buffer().is_empty()).await?;
        }
        Ok(())
    }
}

impl Connection {
    /// Notes a message of the server: whether it does not get through.
    ///
    /// # Errors
    ///
    /// The connection breaks.
    fn note_answer(&self, message: &Message) -> io::Result<bool> {
        let mut exchange = self.exchange();
        let is_lost = exchange.lost.as_ref().is_some_and(|(before, _)| *before == 0);
        if let Some(asked) = exchange.asked.front_mut() {
            asked.answered += message.bytes.len();
        }
        if !message.is_ready() {
            return Ok(is_lost);
        }
        let answered = exchange.asked.pop_front().unwrap_or_default();
        if !answered.sql.is_empty() {
            self.network.lock().trips.push(answered);
        }
        match &mut exchange.lost {
            Some((0, happened)) => {
                happened.0.store(true, Ordering::SeqCst);
                Err(io::Error::other("the answer is lost"))
            }
            Some((before, _)) => {
                *before -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
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
